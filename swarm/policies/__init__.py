"""Placement policies of users: read from a file, checked, and guarded while they decide."""
