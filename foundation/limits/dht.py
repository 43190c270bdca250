"""Bounds of the directory."""

dht_datagram_bytes_max = 1232
"""IPv6's smallest MTU, 1280, less its and UDP's headers: such a datagram is never fragmented."""

lease_bytes_max = 512
"""One signed lease: two of them and the nearest contacts fit one datagram."""

lease_addresses_max = 4
"""Of one node: IPv4 and IPv6, private and public."""

lease_url_chars_max = 200
"""A node's HTTP base URL; with four IPv6 addresses the lease then stays under 512 bytes."""

leases_max = 8192
"""Held for the swarm, some 1.5 KB each: 12 MB; 5,000 nodes with 100 producers each leave 800 to every node."""

leases_per_owner_max = 1024
"""So that one owner fills an eighth of a store at most; in a swarm of 8 nodes every node holds every lease."""

leases_per_sender_max = 1024
"""As per owner: owners store their leases themselves."""

claims_per_producer_max = 4
"""Owners which claim the same producer id, as after a publisher came back elsewhere; the highest ranks are kept."""

ids_certified_max = 4096
"""Pairs of producer id and key whose hash is remembered, which takes 3 µs and is asked with every comparison."""

lone_announcements_max = 50
"""Own producers with a lease each; more of them hold by one lease of the node, at a tenth of the traffic."""

announcements_max = 1024
"""Own producers; what the other nodes would hold of one owner."""

former_holders_max = 24
"""Nodes beside the 8 nearest that still hold one lease of ours, to be told of a change: three sets within its 45 s."""

hastened_rounds_per_second = 200
"""Of own leases when somebody came to hold them: a node with 1,000 producers spreads these over 5 s."""

contacts_max = 1024
"""In the routing table, spares not counted; 5,000 nodes need some 200."""

contacts_per_reply_max = 20
"""Nearest contacts in an answer: one bucket, 900 bytes with IPv6."""

contacts_per_store_max = 8
"""Nearest contacts beside a newer record in the answer to a store: 870 bytes with IPv6."""

ask_bytes_max = 1000
"""Of a question or an answer that the directory only carries: with all heads it stays one datagram."""

asks_answered_max = 512
"""Answers to questions kept for their retransmissions, which come within a second: each is answered once."""

calls_outstanding_max = 1024
"""RPCs awaiting their answers: 5,000 a second end within 0.2 s, and each costs under 1 KB."""

call_seconds_max = 1.2
"""A call on a slow path, its retransmission included; on a quick one it ends after 0.5 s."""

replays_remembered_max = 65_536
"""MACs per half of the replay window, some 100 bytes each; above 2,000 datagrams a second the window gets shorter."""

lookups_max = 256
"""In flight, of different keys; each ends within its deadline."""

lookup_seconds_max = 1.5
"""Until a lookup answers with what it has: a viewer waits for it."""

lookup_queries_max = 64
"""Nodes asked by one lookup: 5,000 nodes take about 15, half of them dead about 40."""

lookup_candidates_max = 128
"""Nodes one lookup has heard of, the nearest are kept."""

locations_cached_max = 4096
"""Found leases kept for at most 5 s."""

quarantined_max = 512
"""Nodes that did not answer and are not asked again for a while."""

ips_cached_max = 8192
"""Parsed ip addresses: parsing takes 4 µs, and an answer names 20."""

checks_max = 256
"""Nodes asked at once whether they are there, strangers that asked us something above all; the rest must ask again."""

tokens_max = 4096
"""Address tokens of an open swarm's other nodes, 8 bytes each; whose is forgotten gives out another."""

observers_max = 8
"""Nodes whose view of our address is kept, the latest: most of them have to agree."""

peers_on_disk_max = 200
"""Contacts kept over a restart: with half of them gone after a week the rest is still a hundred ways in."""

peers_file_bytes_max = 16_384
"""Of 200 peers with IPv6 addresses 70 bytes each, and their array."""

remembered_asked_max = 16
"""Remembered peers asked at one try to join; the next try asks others."""

peers_kept_seconds_min = 1.0
"""From the start to the first copy of the contacts on disk; then the pauses double."""

peers_kept_seconds_max = 60.0
"""Between two copies: a file of 14 KB is written, and contacts live for hours."""

subnet_contacts_max = 8
"""Contacts in one public /24 or /48, of a table of 100 to 200: an operator there can lie about little."""

seeds_max = 64
"""Addresses to join by, given and remembered; the oldest remembered one makes room."""

join_pause_seconds_max = 30.0
"""Between two tries to join: a swarm that came back finds its nodes again within half a minute."""

dht_tasks_max = 512
"""Lookups, announcements, joining and refreshing of one directory."""
