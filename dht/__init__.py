"""Signed leases in a Kademlia DHT: which node owns which producer. It knows nothing of media."""
