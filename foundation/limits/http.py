"""Bounds of the HTTP server and of clients."""

# --- clients ---------------------------------------------------------------------------------------------------------
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

# --- HTTP ------------------------------------------------------------------------------------------------------------
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

set_ups_per_network_max = 128
"""Sessions of one address whose handshake is not done, a quarter of `transports_unconnected_max`: a hall behind
one address is set up at more than 100 a second, and one address that never shakes hands leaves the others theirs."""

http_connections_per_network_max = 128
"""Of one address, once half of `http_connections_max` are taken: dashboards and players behind one address fit, and one
address that opens connections and says nothing leaves the others theirs."""

tls_handshake_seconds_max = 5.0
"""Of an HTTPS connection: two lost packets cost 4 s; until then it is not counted as one."""

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
