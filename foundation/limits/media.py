"""Bounds of the port, transports, RTP and offers."""

# --- the port --------------------------------------------------------------------------------------------------------
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

# --- transports ------------------------------------------------------------------------------------------------------
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

# --- RTP -------------------------------------------------------------------------------------------------------------
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

# --- forwarding ------------------------------------------------------------------------------------------------------
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

# --- loss repair, as receiver ----------------------------------------------------------------------------------------
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

# --- loss repair and joining -----------------------------------------------------------------------------------------
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

# --- offers ----------------------------------------------------------------------------------------------------------
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
