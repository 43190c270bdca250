"""What a node sends and what that costs it, against what it has."""
