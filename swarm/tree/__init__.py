"""Who carries what: the relay tree as one node decides it. Sans-IO; `relay_tree` is its face."""
