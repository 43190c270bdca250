"""The process a node runs in: its signals, children, sockets and garbage."""
