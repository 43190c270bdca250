"""One target under atheris: `python -m tests.fuzz.child TARGET [libFuzzer's options and corpora]`. Never returns."""

import sys

import atheris

# Only our own modules tell libFuzzer where they went; instrumenting all of Python's would take minutes.
with atheris.instrument_imports(include=["foundation", "media", "dht", "swarm"]):
    from tests.fuzz.targets import TARGETS

atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()
