"""Bounds of links, placement, the relay tree and the node."""

# --- links -----------------------------------------------------------------------------------------------------------
node_record_bytes_max = 512
"""A signed node record: three of them travel in one DELEGATED, and a lease has the same bound."""

node_record_addresses_max = 4
"""IPv4 and IPv6, inside and outside of a NAT: nobody needs more, and each one is dialed in turn."""

node_record_url_bytes_max = 128
"""`https://` and the longest names in use; what is left of a record is taken by keys and addresses."""

node_record_label_bytes_max = 64
"""Of a region (32 characters) or a software version."""

node_record_seconds = 86_400.0
"""For how long a node record is good: links renew it, so it only has to outlive what others pass on."""

control_message_bytes_max = 32_768
"""One control message on a link: the largest is a TREE_REPLY of `tree_nodes_max` nodes; 28 fragments of SCTP."""

control_messages_per_second = 200.0
"""Of one link, in the long run; a parent of 60 children gets under 100, all links together."""

control_messages_burst = 1000
"""At once: a node that ends a thousand streams says so in one breath. A link that goes beyond is closed."""

control_errors_per_second = 1.0
"""Messages of one link that cannot be read, in the long run; each is answered with ERROR."""

control_errors_burst = 20
"""At once: a newer peer greets with some types we do not know; a link that goes beyond is closed."""

links_max = 1024
"""Each costs about 60 KB (DTLS, SRTP and SCTP states) and a check a second; a tree needs at most 60 per stream."""

links_unverified_max = 64
"""Incoming links before their greeting; a handshake takes milliseconds, so this many are a herd or an attack."""

link_dial_seconds_max = 2.0
"""From the first check to DTLS connected at one address: ten round trips around the world, or two lost flights."""

link_greeting_seconds_max = 5.0
"""From connected to up; longer than a dial, because a greeting may wait for what becomes of the dial it crossed."""

link_idle_seconds = 30.0
"""A link that no stream uses is closed after this: a stream that comes back soon finds it up."""

link_idle_accepted_seconds = 3600.0
"""The same at the end that was dialed: only the other one knows that it keeps the link warm for a failover."""

# --- placement -------------------------------------------------------------------------------------------------------
unmeasured_slots = 200
"""Of a node that nobody gave a number and nothing was measured at: 52,000 packets/s of 2.5 Mbit/s viewers."""

soft_fill = 0.75
"""Of a node's slots, to which viewers fill it while others have room: the rest takes failovers and herds."""

leaf_soft_fill = 0.8
"""The same of a node that feeds no other: orphans go to those above it first, and with 0.75 a swarm of 20 streams
needed 1.52 to 1.58 carriers for each that would do, now 1.41 to 1.47."""

tight_pressure = 0.5
"""Of what a node has: from here on what a copy costs is measured well enough to overrule an operator's number."""

relay_slots_held_max = 4
"""Held back for relays at a relay, a tenth of small ones: without, trees of 50,000 viewers became 14 deep."""

owner_share_held = 0.6
"""Of an owner's slots: all others hang below its children, so those come before its own viewers."""

relay_children_max = 32
"""Of one stream at a relay: with 60 at the owner 1,920 carriers in two levels, and a dead one leaves 32 orphans."""

owner_children_max = 60
"""Of one stream at its owner: more would make its reports, not its media, the load that counts."""

unbenched_packets_per_second = 50_000
"""Of a node nobody measured: a quarter of what our machine sends without segmentation, so a slow core does it too."""

benched_share = 0.75
"""Of the packets per second that a bench found: it ran over loopback, and a network card comes on top."""

assumed_port_mbps = 800
"""A gigabit port, less the headers below UDP and room for bursts; nothing in a node could measure its network."""

blocked_share_max = 0.005
"""Of the datagrams: what neither socket nor device took is lost, and below this players conceal it."""

load_sample_seconds = 1.0
"""Between two samples: at 50 µs each, and with means over three of them, more would only cost."""

load_sample_seconds_min = 0.05
"""Samples closer than this are one: what was counted in between is too little to divide by."""

load_sample_seconds_max = 5.0
"""Samples further apart say nothing: the machine was suspended, or its clock set."""

load_smoothing_seconds = 3.0
"""Of the means that decide: a keyframe or one handshake is no load, and a herd of a few seconds is."""

load_cost_seconds = 10.0
"""Over which it is learnt what a copy costs: a viewer who joins is sent up to 3 s of video at once."""

capacity_file_bytes_max = 4096
"""A saved bench has 250 bytes."""

capacity_packets_per_second_max = 1e9
"""Of a saved bench: a thousand times what the best core sends."""

policy_file_bytes_max = 1 << 20
"""A user's policy is a few hundred lines; what is larger is no policy."""

policy_failure_log_seconds = 60.0
"""Between two lines about a policy that raises: it may be asked a thousand times a second."""

# --- the relay tree --------------------------------------------------------------------------------------------------
carriages_max = 4096
"""Streams of one node, owned, relayed or asked for; each costs a few kilobytes without its media."""

delegations_max = 5
"""A request is sent on this often, then it is refused: with three candidates each it saw most of any tree."""

delegated_candidates_max = 3
"""Power of d choices: a second and third candidate help when the first one filled up meanwhile, more do not."""

tried_nodes_max = 1 + delegations_max * delegated_candidates_max
"""Nodes one request may visit: the owner, and every candidate it can be given."""

capability_seconds = 600.0
"""Life of a capability: renewed at half of it, a relay outlives five minutes without its owner."""

capability_soon_seconds = 2.0
"""Within which a relay asks a new owner for its leave: a thousand relays are then 500 datagrams a second there."""

capability_retry_seconds = 10.0
"""Until a relay whose question for a capability was not answered puts it again."""

capability_bytes_max = 256
"""An owner's leave for one node to consume one producer: two keys' worth of bytes, ids and times, 200 bytes."""

backups_max = 4
"""Named to each child: two carriers elsewhere in the tree, the grandparent, the owner."""

find_places_max = 8
"""Carriers named in one PLACES: with URLs of 128 bytes it stays one datagram."""

find_avoided_max = 8
"""Carriers a FIND need not be told again: those that turned its viewers away lately."""

lineage_nodes_max = 16
"""Depth of a tree: 4 serves 50,000 viewers with 100 slots a node, and chains of single slots end here."""

pull_seconds_max = 8.0
"""From wanting a stream to its first carrier or a refusal; HTTP clients wait 10 s and more."""

find_seconds_max = 3.0
"""A DHT lookup with dead nodes on its way; beyond, the producer counts as unknown."""

connect_seconds_max = 4.0
"""For the link to a candidate: two addresses of `link_dial_seconds_max`, then the next candidate is asked."""

answer_seconds_max = 2.0
"""For the answer to a CONSUME: two round trips around the world and a carrier that is just being fed itself."""

held_seconds_max = 1.5
"""A CONSUME waits this long for a carrier whose own pull is under way; less than its sender waits for the answer."""

held_requests_max = 64
"""CONSUMEs that wait for one pull; a herd finds other carriers."""

child_confirm_seconds_max = 5.0
"""A slot given by ACCEPTED is taken back unless the child reports: longer than `answer_seconds_max` at the child."""

child_silence_seconds_max = 20.0
"""Four reports missed: the child let go of the stream and its LEAVE was lost with an older link."""

report_seconds = 1.0
"""Between two REPORTs of one stream; slots are debited where they are handed out, so lag does no harm."""

report_urgent_seconds = 0.1
"""Between two REPORTs when room appears or ends: stale room sends viewers astray."""

report_keepalive_seconds = 5.0
"""A REPORT without news: parent and child agree on their bond after this at the latest."""

report_relays_max = 3
"""Carriers of one subtree named for relays: as many as a delegation hands out."""

report_viewers_max = 6
"""Carriers of one subtree named for viewers: 60 children then name an owner 360, of 30 bytes each."""

report_hysteresis = 0.1
"""A room that changed by less is no news: one viewer among fifty changes no decision."""

report_record_seconds = 60.0
"""A record is sent again on a link after this: the other end may have forgotten it, or it was renewed."""

records_known_max = 4096
"""Records of carriers that others named, 2 KB each: with 60 children every one names some 400 a minute."""

candidates_max = 1024
"""Carriers below one carrier that are known by name: three levels' best few."""

claimed_room_max = 1024
"""Free slots a node is believed to have: as many links as it may have."""

find_producers_max = 1024
"""Streams that viewers of one node wait for elsewhere at one time."""

waiting_viewers_max = 4096
"""Viewers of one node that wait for a place elsewhere: a herd of 1,000 a second, each for less than 4 s."""

want_seconds_max = 3.0
"""A viewer waits this long for a place elsewhere: three answers of an owner that is recruiting, lost ones too."""

find_retry_seconds = 0.08
"""After this an owner that is recruiting is asked again: a probe and a recruitment on one continent."""

find_pause_seconds_min = 0.02
"""Between two questions for the places of one stream, when the first answer was not enough."""

find_herd_seconds = 2.0
"""`requests_before_relay` viewers of one stream within this are a herd, for which places are asked ahead."""

find_ahead_seconds = 0.5
"""For so long ahead: the longest round trip to an owner, and that again."""

find_ahead_max = 128
"""Places held for viewers that may come: 8 carriers of 16."""

find_region_seconds = 0.3
"""A viewer waits so long for a place in its region, then takes any: its recruits came from elsewhere."""

requests_before_relay = 8
"""Viewers of one stream within `requests_window_seconds` that make their node a carrier: with 1 a swarm of 1,000 nodes
carried 10,000 viewers of 20 streams by 7,159 relays where 106 would do."""

requests_window_seconds = 30.0
"""See `requests_before_relay`; a viewer a minute is served from elsewhere."""

small_swarm_nodes = 6
"""With fewer other nodes each may carry everything: a redirect would cost more than the copy."""

hops_settled = 3
"""A viewer that was sent on so often is served wherever a slot is left."""

hops_max = 5
"""A viewer that was sent on so often is not sent on again: as often as our clients follow (`redirects_max`)."""

recruits_max = 32
"""Nodes recruited for one stream at one time: with 80 slots each 2,500 viewers, and 32 new links for a parent."""

recruit_probes = 3
"""Nodes probed for one recruit: the least loaded of a few random ones is nearly that of all (power of choices)."""

recruit_seconds_max = 0.3
"""For the answers to probes: a second way round the world costs more than the best of two answers."""

recruit_pool_seconds = 5.0
"""A recruit's room counts for this long on its word; by then its parent reports it."""

recruit_fill = 0.8
"""Of a recruit's room, to be planned with: some of it goes to viewers that come by themselves."""

recruit_barren_seconds = 1.0
"""Where nobody had room nobody is looked for again for so long, and what is spare is handed out."""

recruit_linger_seconds = 30.0
"""A recruit that nobody came to keeps its stream for so long, or it would be let go and recruited in turns."""

recruitments_taken_max = 64
"""Streams a node lets itself be recruited for at one time; each is forgotten after `recruit_pool_seconds`."""

demand_seconds = 1.2
"""For so long ahead arrivals are counted when recruits are looked for: about what a recruit takes to be reported."""

offers_max = 64
"""Nodes that offered themselves, the newest: more than are recruited at one time."""

offer_seconds = 60.0
"""An offer is believed for so long, if nobody took it up before."""

offer_by_probe_seconds = 10.0
"""Who was probed and not needed is taken for the next recruit within this, without another probe."""

offer_again_seconds = 2.0
"""A node that has joined offers itself again after this: by then it knows more than those it joined by."""

offers_made = 8
"""Random nodes a joining node offers itself to: one of them meets a carrier in need within a second."""

ask_seconds_max = 1.5
"""For an answer without a link: a call of the directory with its retransmission, and a little."""

asks_open_max = 1024
"""Questions of one node that await answers: of 1,024 streams one each, or 96 probes for each of ten that grow."""

asks_per_second = 100.0
"""Questions without a link from one node, in the long run: one FIND per stream and round trip."""

asks_burst = 300
"""At once: a herd on 100 streams, three times."""

askers_max = 2048
"""Nodes whose questions are counted; who is forgotten starts anew."""

consumes_per_second = 50.0
"""CONSUMEs of one node, in the long run; more are refused."""

consumes_burst = 1024
"""At once: a node whose parent died asks for a thousand streams in one breath."""

delegation_debit_seconds = 2.0
"""How long a slot that was handed out counts as taken: until the taker's parent has reported it."""

delegation_debits_max = 4096
"""Debits at one time: 2,000 delegations a second, ten times what a link may ask for; then the oldest are forgotten."""

relay_linger_seconds = 5.0
"""A relay without consumers keeps its stream for this long: a viewer who reloads the page needs no new pull."""

parent_stable_seconds = 10.0
"""A parent kept for this long was no part of a flapping chain."""

lost_parents_remembered_max = 8
"""Parents lost in a row, asked last: each was there for less than `parent_stable_seconds`."""

failover_width = 2
"""Backups an orphan asks at a time: of two one most often lives, and three would have three slots taken for each."""

failover_patience_seconds = 0.4
"""Until an orphan asks the next one beside a carrier that has not answered: two round trips around the world."""

failover_patience_rtts = 3.0
"""Of the link's own round trips, where they are known: an answer comes after one."""

failover_patience_seconds_min = 0.1
"""A carrier that serves a hundred orphans takes its time, and so does a busy processor."""

failover_pause_seconds = 0.5
"""Before an orphan that found nobody begins its second round, or one that lost its new parent too its first."""

rounds_with_children_max = 2
"""After which an orphan that the living owner refused lets its children go, and takes any place as a leaf."""

owner_absent_seconds_max = 30.0
"""An orphan without an owner waits this long for the publisher to come back: an encoder restarts in ten.

So long, too, it tries parents of which none stays for `parent_stable_seconds`.
"""

cut_off_seconds = 12.0
"""After which an orphan that reaches no owner, but carriers that are fed, lets its children go to hang below these."""

owner_lookup_seconds = 0.8
"""Between two lookups of an orphan, at most: so much later than its publisher the stream goes on."""

owner_doubt_seconds = 5.0
"""Between two lookups of an owner that is said to be one of the past."""

parent_flow_seconds_max = 2.0
"""For the first packet from a new parent: with 50 ms between packets of audio forty are missing then."""

delay_ms_max = 60_000
"""Of a carrier from its owner; beyond it is counted as this."""

warm_backups_max = 3
"""To which a link is kept: when 30% die at once all of two are dead for one orphan in eleven, who then has to dial, and
all of three for one in forty. An idle link costs a check in 5 s."""

backups_delay_seconds = 0.2
"""From a child's first report to its backups: a herd of children is told once, when it is there."""

backups_seconds = 3.0
"""Between two BACKUPS to the same children: 1.2 KB each, when something changed."""

handover_retry_seconds = 1.0
"""Until a child that found no other parent for one that is about to go asks again."""

drain_look_seconds = 0.5
"""Between two looks of a draining node at who is still there."""

improvement_seconds = 30.0
"""Between two changes of parent for a better one, at one node."""

improvement_ms_min = 20.0
"""Gained by a change of parent: less is within what round trips vary by."""

improvement_share_min = 0.2
"""Of the present delay, gained beyond that."""

tree_nodes_max = 160
"""Of one TREE_REPLY, each at most 200 bytes: what is left out is counted."""

tree_levels_max = lineage_nodes_max
"""A TREE request goes down no further than a tree can be deep."""

tree_seconds_max = 2.0
"""A TREE request is answered by then with what has come; each level waits a little less than the one above."""

tree_level_seconds = 0.1
"""By which a level waits less than the one above, so that its answer is still in time."""

tree_fresh_seconds = 0.5
"""A tree asked for again within this is answered from memory: one question must not become a storm below."""

tree_askers_max = 32
"""Nodes that wait for the same tree."""

tree_walks_max = 128
"""Trees being collected, or remembered, at one time."""


# --- the node --------------------------------------------------------------------------------------------------------
relaying_tasks_max = 1024
"""Lookups and dials under way: each belongs to one stream that is wanted, and ends within seconds."""

session_tasks_max = 4096
"""Announcements and withdrawals under way: one of each for every producer that came or went in a second."""

withdraw_seconds_max = 1.0
"""How long a node that ends waits for its tombstones to be acknowledged; unheard, its leases run out by themselves."""

drain_seconds_max = 86_400.0
"""A node that drains for longer has forgotten that it does: by then its viewers have slept."""

drain_goodbye_seconds = 1.5
"""Of a drain's time, for closing what is still here: `withdraw_seconds_max` and a moment, so that it ends in time."""

node_tasks_max = 16
"""A handful of chores that run as long as the node does."""

resolve_pause_seconds_max = 60.0
"""Between two questions to the name server about a `--join` name that is not known yet."""
