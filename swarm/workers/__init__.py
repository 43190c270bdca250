"""Several nodes on one machine: one process each, supervised."""
