"""Bounds of the programs around a node, each with its reason: `limits` has those of a node itself.

Full means the same there and here.
"""

# --- workers: `swarmd run --workers` ---------------------------------------------------------------------------------
workers_max = 64
"""Nodes of one `swarmd run`: a core each, and the largest machines of a cloud region have about as many."""

worker_joins_max = 3
"""Other workers that one joins by, beside what the operator gave: one that lives is enough, two may be starting."""

worker_start_seconds_max = 30.0
"""Until a worker says that it serves: 1 s on an idle machine, and all of them may start on one core."""

worker_stop_seconds_max = 10.0
"""For workers to end after SIGINT, or beyond a drain, twice what a node takes at worst; then they are killed."""

worker_stable_seconds = 60.0
"""A worker that served for this long and died had an accident, not a defect: its pauses begin anew."""

worker_restarts_max = 8
"""New starts in a row of a worker that does not become stable: 90 s, then whoever started us has to decide."""

worker_pause_seconds_max = 30.0
"""Between two starts of one worker: half a minute of a core less is what a machine with a defect can bear."""

worker_line_bytes_max = 16_384
"""Of a worker's output: longer lines, which only a broken program writes, are passed on in pieces."""

# --- swarm: bench ----------------------------------------------------------------------------------------------------
bench_viewers_max = 500
"""Of one bench: each is a socket of one load process, which usually gets 1024 descriptors."""

bench_sinks_max = 4
"""Load processes with viewers: their packets are counted in the kernel, so more than a few only share the joining."""

bench_joins_at_once_max = 10
"""Handshakes under way per load process: enough to keep a node busy, few enough that none times out."""

bench_overhead_seconds_max = 40.0
"""For all of a bench but its loads: 8 s on an idle machine. With the loads' 15 s it ends within a minute anyhow."""

bench_reply_bytes_max = 65_536
"""A line with which a load process answers; they have under 200 bytes."""
