"""`swarmd demo`: a swarm of real processes on this machine, a publisher, and viewers at every node but the owner."""
