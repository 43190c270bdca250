"""The node processes of `swarmd bench` (`swarm.bench.nodes`), which benchmarks and tests use too."""

from swarm.bench.nodes import NodeProcess, cpu_seconds, node

__all__ = ["NodeProcess", "cpu_seconds", "node"]
