"""Every bound of a node, in one place, each with its unit in the name and its reason beside it.

Full means: drop, count, go on. Sections are named after the package that uses them.
"""

# --- media: the port -------------------------------------------------------------------------------------------------
datagram_bytes_max = 1500
"""An Ethernet frame's payload; larger datagrams are nobody's who speaks WebRTC (they use 1200)."""

datagrams_per_wake_max = 256
"""Drained per readiness event, then the loop gets its turn: at 5 µs each that is about 1 ms of the loop's time."""

socket_buffer_bytes = 4 << 20
"""Of the UDP socket, each way: 30 ms of 1 Gbit/s, so that a busy loop or one collection of garbage loses nothing."""

coalescing_seconds_max = 0.002
"""How long a port under load lets datagrams gather: over three hops less than a fifth of a frame's 33 ms."""

coalescing_share_min = 0.6
"""Of a core, spent on wakes, from which datagrams gather: at half its capacity a node still passes all on at once."""

coalescing_datagrams_max = 8
"""Per wake, on average; where there are more, a packet costs 2.0 µs per consumer and waiting saves 0.3 at best."""

coalescing_slice_seconds = 0.1
"""Of load that decides: three frames of video, and soon enough for a socket buffer of 4 MB."""

coalescing_term_seconds = 2.0
"""For which datagrams gather until the load without it is measured again, which costs a twentieth of what it saves."""

gso_segments_max = 64
"""Of one `UDP_SEGMENT` send: `UDP_MAX_SEGMENTS` of Linux before 6.9."""

gso_bytes_max = 65_000
"""Of one `UDP_SEGMENT` send: a UDP datagram's 65,487 bytes over IPv6, rounded down."""

gso_refusals_max = 8
"""In a row, then a port sends one by one: one route may refuse for its MTU, eight sends mean the machine cannot."""

sockaddrs_cached_max = 4096
"""Peers of an IPv6 socket whose normalised address is remembered; the cache is emptied when full."""

srtp_sources_max = 4096
"""Incoming SSRCs of one SRTP session: a browser uses under 16, a link a few per pipe; 600 bytes each."""

srtp_sources_ended_max = 65_536
"""Outgoing SSRCs forgotten on one SRTP session, 100 bytes each: a link whose pipes end once a second for 18 hours."""

srtp_window_packets = 1024
"""Of replay protection, incoming: half a second of a 20 Mbit/s stream may arrive late or twice."""

srtp_repeat_window_packets = 1024
"""Outgoing: how old a packet may be to be sent again unchanged, half a second of a 20 Mbit/s stream. libsrtp shifts the
whole window for each packet: 4096 cost 0.3 µs more, a fifth of all that forwarding one packet costs."""

# --- media: transports -----------------------------------------------------------------------------------------------
transports_max = 4096
"""Clients and links together, 100 KB each with their OpenSSL state; one core forwards to fewer."""

transports_unconnected_max = 512
"""Set up at once: a crowd of 500 viewers in the same second; a handshake costs 1.5 ms, so they need a second of CPU."""

links_incoming_max = 64
"""Links which others dialed and whose handshake is not done: a swarm that restarts; more try again after 5 s."""

handshake_seconds_max = 30.0
"""From the answer until a client's DTLS is done: its ICE agent gives up after about as long."""

link_handshake_seconds_max = 10.0
"""From the first check until a link's control channel is open: two lost datagrams of DTLS cost 3 s, of SCTP 6 s."""

ice_addresses_max = 8
"""Validated per transport: a client with Wi-Fi, Ethernet and a VPN in two families has six; the stalest goes first."""

ice_transactions_max = 128
"""Checks remembered per transport, to know a copy: five minutes of them at one every 2.5 s, as browsers send them."""

ice_consent_seconds_max = 30.0
"""RFC 7675 section 5.1: how long a client may be silent."""

link_consent_seconds_max = 15.0
"""How long the dialing end of a link may be silent: three keepalives of an idle one."""

address_held_seconds = 5.0
"""A transport heard this lately keeps its address although another one claims it: clients check every 2.5 to 5 s."""

ice_check_gap_seconds_min = 0.1
"""Between the first two checks of a dialed address, then doubled: a lost one costs a viewer's first picture 100 ms."""

ice_check_gap_seconds_max = 1.0
"""Between checks while none is answered."""

ice_dial_seconds_max = 5.0
"""Until a dialed address that does not answer is given up: eight checks, all lost once in 10^8 at 10 % loss."""

ice_checks_pending_max = 32
"""Checks whose answers are still taken: at one in 50 ms a path of 1.6 s."""

link_check_busy_seconds = 1.0
"""Between keepalives of a link that carries media: a dead parent is known soon."""

link_check_idle_seconds = 5.0
"""Between keepalives of a link that waits as a backup: NATs keep a mapping 30 s at least."""

link_gap_seconds_min = 0.1
"""Silence of a parent's media before it is checked: three frames of video, and 100 ms of jitter are common."""

link_gap_ratio = 3.0
"""Or so many times the usual gap between its bursts."""

link_gap_seconds_quick = 0.3
"""But no longer than this, unless the usual gap itself comes near it."""

link_long_gap_ratio = 1.5
"""Of usual gaps that do: a slide show is not checked in every one."""

link_usual_gap_seconds_max = 1.0
"""A longer one is no gap but a pause, and teaches nothing."""

link_doubt_check_seconds = 0.05
"""Between checks of a link in doubt: three fit the time a parent has."""

link_parent_doubt_seconds = 0.15
"""For a parent in doubt to answer, and a round trip: with `link_gap_seconds_min` 250 ms, so that one which was stopped
for 100 ms is no dead one."""

link_child_doubt_seconds = 1.0
"""For a child in doubt, or a backup: nobody's picture stands still meanwhile, and machines do stop for that long."""

link_answer_slack_seconds = 0.1
"""Beyond the round trip, for an answer to a check: round trips vary, and event loops are busy."""

link_stall_seconds = 0.05
"""By how much a timer may be late before we take ourselves to have been stopped, and doubt anew."""

link_quiet_busy_seconds = 1.5
"""Without anything heard on a link that carries media: one check of the other end missed."""

link_quiet_idle_seconds = 7.0
"""The same on an idle link."""

link_suspicion_gap_seconds = 1.0
"""Between two checks of a link because somebody claims its address: that may be a liar."""

link_silence_seconds_max = 5.0
"""From the first unanswered check of a link to its end: five in a row, lost once in 10^5 at 10 % loss."""

dtls_datagrams_queued_max = 256
"""Per transport, read at the loop's next turn: what one wake of the socket may bring."""

srtp_early_packets_max = 64
"""Per transport: media that overtook the end of the handshake; the first keyframe's packets are among them."""

control_buffered_bytes_max = 262_144
"""Waiting to be sent on one link: eight of the largest messages; a peer that falls behind by more loses the link."""

control_received_bytes_max = 262_144
"""Of messages not yet whole on one link: what its SCTP window offers."""

control_gaps_max = 4096
"""TSNs that one datagram may acknowledge, or that may wait for an earlier one: aiortc walks them one by one."""

# --- media: RTP ------------------------------------------------------------------------------------------------------
sequence_late_max = 512
"""How far behind the newest packet a late one is still taken: a second at 5 Mbit/s, inside SRTP replay windows."""

sequence_jump_max = 3000
"""RFC 3550 A.1 MAX_DROPOUT: a larger step ahead is a source that began anew, once its next packet agrees."""

late_run_packets_max = 32
"""Packets in a row, just too late, before they are believed to be a source that began anew at such numbers."""

keyframe_gap_seconds_min = 1.0
"""Between two keyframe requests to one source: a keyframe costs its publisher several times a usual frame."""

keyframe_retries_max = 3
"""Of a request no keyframe answered (the request may be lost); publishers that never answer are then left in peace."""

# --- media: forwarding -----------------------------------------------------------------------------------------------
producers_per_node_max = 10_000
"""More than one event loop could ever forward: 10,000 audio streams of 50 packets/s are half a million packets/s."""

consumers_per_producer_max = 10_000
"""A placement policy says no long before; this keeps a burst to all consumers of a producer under a second."""

consumers_per_session_max = 4096
"""A viewer has one; a link has one per piped producer, and half of a full node's may go to one neighbour."""

rtp_bytes_max = 1484
"""A datagram's 1500 bytes less GCM's tag, as it may have come with SHA-1's shorter one. Clients send about 1200."""

burst_packets_max = 40
"""Of one track handled at once: 40 datagrams of 1500 bytes are 60 KB, and one GSO send can take 64 KB."""

padding_part_max = 32
"""RTP padding may add 1/32 to a packet to make it as long as its neighbours: a second send costs 3 packets' time."""

ssrc_change_gap_seconds_min = 1.0
"""Between two changes of a track's SSRC: each makes consumers start anew, and no honest publisher needs more."""

ssrcs_remembered_max = 8
"""Former SSRCs of a session: their late packets must not take the track back."""

report_gap_seconds = 1.0
"""Between two RTCP reports, times 0.5-1.5 (RFC 3550 6.3.1): browsers measure loss and RTT at about this pace."""

rtcp_compound_bytes_max = 1200
"""What fits every path; a link with many streams sends several compounds."""

# --- media: loss repair, as receiver ----------------------------------------------------------------------------------
nack_delay_seconds = 0.01
"""From a gap to its first NACK: what is only reordered comes within a few ms, and a repair takes a round trip too."""

nack_gap_seconds_min = 0.02
"""Before a packet is asked for again, however short the round trip: answers wait for pacers and busy loops."""

nack_gap_ratio = 1.25
"""First gap over round trip, for its jitter, and each gap over the one before: who repairs upstream needs patience."""

nack_tries_max = 10
"""NACKs for one packet, as in libwebrtc: with the gaps growing, 0.7 s at the shortest round trip."""

nack_video_seconds_max = 1.0
"""No answer is waited for after this: players have frozen long before, and a keyframe comes sooner."""

nack_audio_seconds_max = 0.25
"""What a player's buffer may grow to for late Opus; a request that cannot be answered by then is not sent."""

nack_resumed_seconds = 0.15
"""After a stream goes on from another node, before what was missing is asked for: `pipe_resume_seconds` bring it."""

nack_missing_max = 256
"""Of one source: half a second of 5 Mbit/s; a keyframe has fewer packets. All of them fit one RTCP packet."""

nack_poll_gap_seconds_min = 0.005
"""Between two rounds of NACKs of one session: a link with a thousand streams must not wake for each single packet."""

rtt_default_seconds = 0.1
"""Before a round trip was measured, as in libwebrtc and mediasoup: the distance of continents."""

# --- media: loss repair and joining ----------------------------------------------------------------------------------
history_bytes_max = 2 << 20
"""Of packets kept per track: 4 s of 4 Mbit/s; of a stream of 20 Mbit/s 0.8 s, four round trips around the world."""

history_seconds_max = 4.0
"""The largest group that a viewer may begin with, and the second in which it is sent and its losses repaired."""

history_packets_max = 4096
"""Per track: what the bytes above are in packets of 512; tiny packets cost their bookkeeping of 200 bytes each."""

keyframe_group_seconds_max = 3.0
"""Age of the keyframe a new viewer begins with: 90 pictures, decoded in a third of a second; more would feel slow."""

keyframe_group_bytes_max = 1 << 20
"""3 s of 2.8 Mbit/s: in the 0.2 s a group takes this is 40 Mbit/s, more than many viewers' lines have."""

keyframe_group_packets_max = 1024
"""As the bytes, in packets of 1 KB; half of what Chromium's packet buffer holds."""

keyframe_group_hole_seconds_max = 0.5
"""For how long a packet missing from a group may still come: two retransmissions over 200 ms."""

catch_up_seconds = 0.2
"""In which a group is sent: below what anybody notices, and no single flood for the line."""

catch_up_seconds_max = 1.0
"""Until a viewer has caught up with the live packets, or begins with the next keyframe instead."""

catch_up_bytes_per_second_min = 600_000
"""A small group is sent at 5 Mbit/s."""

pipe_resume_seconds = 0.1
"""In which a pipe's first packets are sent from the cache: nodes are better connected than viewers."""

pipe_lead_seconds = 0.005
"""Before a pipe's first packet from the cache: the message that announces its SSRC goes out first."""

pipe_overlap_seconds_max = 0.25
"""For a pipe to come level with the link that it replaces: the 0.1 s of what is kept, 0.1 s of jitter, some frames."""

pipe_run_up_packets = 32
"""Sent before a pipe's first packet where that is as close to a roll-over: at 30 % loss one in 10^16 loses them all."""

backlog_seconds_max = 1.0
"""For a pipe to be up with live; then viewers that wait for it begin with a fresh keyframe."""

early_packets_max = 1024
"""Of a link, kept until the message that announces their SSRC is here: 1.2 MB, a second of 10 Mbit/s."""

early_seconds_max = 2.0
"""For which they are kept: SCTP repeats a lost message after a second."""

plain_retransmission_packets_max = 128
"""How far behind the newest packet a plain retransmission goes: libsrtp's replay window unless raised (GStreamer),
0.5 s at 2.5 Mbit/s. RFC 3711 section 3.3.2 promises 64, browsers have 1024; beyond it a receiver sees a replay."""

retransmission_gap_seconds_min = 0.02
"""Between two retransmissions of one packet, or the round trip if that is more: NACKs repeat what is under way."""

retransmission_round_trip_ratio = 0.8
"""Of the last measured round trip, which varies, is the shortest: who asks sooner for a packet has not seen it pass."""

retransmission_share = 0.25
"""Of the bytes a consumer is sent it may have again: repairs 20 % loss, and bounds what a storm of NACKs costs."""

retransmission_burst_bytes = 131_072
"""Of retransmissions at once: an outage of 0.4 s at 2.5 Mbit/s."""

nack_bytes = 32
"""Each number asked for costs this much of the same allowance: looking one up takes a fifth of sending a packet."""

nack_numbers_max = 512
"""Of one NACK: twice what we ask for ourselves; the others can be asked for again. Reading them takes 0.2 ms."""

retransmissions_remembered_max = 1024
"""Packets per consumer track of which is known when they were last sent again: four seconds of 25 % loss."""

refusals_in_row_max = 3
"""Bursts of one viewer's video that the socket refuses in a row before it waits for a keyframe: 0.1 s."""

slow_viewer_keyframe_gap_seconds = 5.0
"""Between two keyframes asked for because one viewer fell behind: all others pay for them too."""

# --- media: offers ---------------------------------------------------------------------------------------------------
sdp_lines_max = 2048
"""Of an SDP offer: a browser's with three m-lines, all codecs and all candidates has about 300."""

sdp_media_max = 16
"""m-lines of an offer: WHIP and WHEP need two, a page that reuses a connection brings a few more."""

sdp_formats_max = 128
"""Of one m-line: there are no more RTP payload types."""

sdp_extensions_max = 256
"""Header extensions offered for one m-line: there are 255 ids, and browsers offer 14."""

sdp_candidates_max = 256
"""Of an offer: they are not used, and a host with ten interfaces writes about 80."""

sdp_fingerprints_max = 16
"""Of an offer's certificate: one for each hash function; aiortc writes three."""

sources_estimated_max = 32
"""SSRCs named in one bitrate estimate: a publisher has two tracks, with simulcast and retransmissions under ten."""

transport_sequence_jump_max = 8191
"""Transport-wide numbers one run-length chunk can call lost; a larger jump is an outage the estimator starts after."""

transport_arrivals_max = 8192
"""Arrivals kept for transport-wide feedback: the 0.75 s they are kept for at 100 Mbit/s from one publisher."""

# --- dht -------------------------------------------------------------------------------------------------------------
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

# --- swarm: links ----------------------------------------------------------------------------------------------------
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

# --- swarm: placement ------------------------------------------------------------------------------------------------
unmeasured_slots = 200
"""Of a node that nobody gave a number and nothing was measured at: 52,000 packets/s of 2.5 Mbit/s viewers."""

soft_fill = 0.75
"""Of a node's slots, to which viewers fill it while others have room: the rest takes failovers and herds."""

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

# --- swarm: the relay tree -------------------------------------------------------------------------------------------
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
"""Backups an orphan asks at a time: of two, one at least lives, but for one in eleven when 30% die at once."""

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

warm_backups_max = 2
"""To which a link is kept: a failover then costs one round trip, and two idle links a check each in 5 s."""

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


# --- swarm: clients --------------------------------------------------------------------------------------------------
redirects_max = 5
"""307s followed by one WHIP or WHEP request: a tree is rarely that deep, and a circle of redirects must end."""

answer_bytes_max = 256 * 1024
"""An SDP answer; a browser's largest have under 20 KB."""

api_bytes_max = 4 * 1024 * 1024
"""A JSON answer of a node's API: a tree of some 20,000 nodes."""

http_seconds_max = 15.0
"""One HTTP exchange of a client: a WHEP answer may wait for a lookup and a link, each a few seconds at worst."""

client_connect_seconds_max = 10.0
"""From the SDP answer to connected: ICE and DTLS take under 0.1 s on loopback, two lost flights of DTLS 3 s."""

listen_again_seconds = 5.0
"""Until a player asks for its session's events again, when their stream broke while its media goes on."""

event_bytes_max = 16_384
"""Of one server-sent event: a URL with a ticket has under 1 KB, what is longer is cut."""

moves_tried_max = 3
"""Attempts at the node a player is sent to, before it stays where it is until that ends."""

move_pause_seconds = 1.0
"""Between two of them: three are over before a drain of 10 s is."""

client_close_seconds_max = 3.0
"""For a client to say goodbye; whoever does not answer by then is left."""

recorded_frames_max = 120
"""Frames waiting for the recorder's encoder: four seconds, then frames are dropped and counted."""

demo_wait_seconds_max = 30.0
"""For each step of the demo: a process that starts, a node that is joined, a first picture; each takes about 1 s."""

demo_stop_seconds_max = 8.0
"""For the demo's processes to end by themselves after SIGTERM; then they are killed."""

demo_log_lines_max = 20
"""Shown of each process's log when the demo fails."""

# --- swarm: HTTP -----------------------------------------------------------------------------------------------------
http_connections_max = 512
"""Half of the 1024 descriptors a process usually gets; a viewer needs its connection for one exchange only."""

http_keepalive_seconds = 15.0
"""How long a connection may be without a whole request: a dashboard asks every 2 s, slow headers never are one."""

http_linger_seconds = 1.0
"""A refused body is still read for this long, so that its sender gets to see the refusal instead of a reset."""

http_shutdown_seconds = 2.0
"""What requests under way get when the server closes; a client that is cut off simply tries again elsewhere."""

http_body_seconds_max = 5.0
"""For a whole body to arrive: 64 KB take half of it on a line of 250 kbit/s, on which nobody watches video."""

event_streams_max = 384
"""Of `http_connections_max`: what is left is enough for offers. Viewers beyond watch without one."""

session_events_max = 4
"""Waiting for one viewer to read them; the newest are kept, and say all that counts."""

events_keepalive_seconds = 15.0
"""Between two comments on an idle event stream: proxies end a connection that is silent for 30 to 60 s."""

reconnects_per_second = 50
"""Viewers that a leaving node sends away: 200 of them in 4 s, and each costs its new node 5 ms of handshakes."""

offer_bytes_max = 65_536
"""Of an SDP offer: browsers send 6 to 15 KB, with simulcast and every codec under 30 KB."""

fragment_bytes_max = 16_384
"""Of a trickle-ICE fragment: about 100 candidates, where a host with many interfaces has 20."""

offer_seconds_max = 15.0
"""For a node to answer an offer, pull from another node included: a client would have given up by then."""

api_lookup_seconds_max = 10.0
"""For a lookup or a walk through a relay tree on behalf of an API client."""

absent_retry_seconds = 2
"""`Retry-After` where a stream is not live: soon enough to start with it, rare enough to wait for hours."""

full_retry_seconds = 5
"""`Retry-After` where there is no room: about what it takes to recruit a relay."""

token_chars_max = 4096
"""An access token with 64 producers has under 3,000; the header that carries it may have 8,190."""

token_grants_max = 16
"""There are three; newer versions may know more."""

token_producers_max = 64
"""Producers one token is for, 39 characters each; who needs more leaves the list out."""

token_subject_chars_max = 256
"""Of whom a token is for: an e-mail address has at most 254."""

key_file_bytes_max = 16_384
"""Of a secret or a PEM file: an RSA key of 8192 bits has 6,500, and comments may stand before it."""

certificate_check_seconds = 30.0
"""Between two looks whether the TLS certificate was renewed, as is done weeks before the old one ends."""

ticket_seconds = 15.0
"""From a 307 until it must be followed: a client follows at once, over a slow line within a few seconds."""

ticket_chars_max = 1024
"""A ticket with the longest subject and URL, in base64."""

forwarded_hops_max = 8
"""Proxies whose words about a client are read, the nearest ones: a CDN, a load balancer and a sidecar are three."""

http_requests_per_second = 50.0
"""Of one address in the long run: a page that shows a swarm asks twice a second, an office shares one address."""

http_requests_burst = 500
"""At once: a hall full of viewers behind one address, who all join when the stream begins."""

http_networks_max = 8192
"""Addresses whose requests are counted, 300 bytes each; the one that was quiet the longest is forgotten."""

failed_tokens_per_second = 0.5
"""Of one address in the long run; a script with an old token is told so, and nobody guesses 256 bits."""

failed_tokens_burst = 20
"""At once: a page with an expired token asks for a dozen things."""

failed_token_pause_seconds = 1.0
"""Before the answer to a wrong token; nobody else waits."""

failed_token_pauses_max = 256
"""Answers held back at one time; beyond, they are given at once."""

offered_sessions_max = 20_000
"""Whose ICE names are kept to tell a restart from trickling: 100 bytes each, and more than a node ever serves."""

# --- swarm: the node -------------------------------------------------------------------------------------------------
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
