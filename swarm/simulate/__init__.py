"""`swarmd simulate`: the relay tree's own code in virtual time, a whole swarm in one process, all from one seed."""
