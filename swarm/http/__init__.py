"""A node's HTTP side: WHIP, WHEP, the JSON API and the pages, over `swarm.service.NodeService` and nothing else."""
