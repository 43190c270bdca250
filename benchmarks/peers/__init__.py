"""Other servers beside a node: each is started here, given the same raw clients, measured in turn and ended."""
