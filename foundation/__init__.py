"""What `dht`, `media` and `swarm` all stand on: errors, addresses, identity, bounded msgpack, task scopes, limits.

It imports nothing of the project, does no I/O but for running tasks, and knows neither media nor swarms.
"""
