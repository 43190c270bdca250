"""Fuzzing for as long as asked: `python -m tests.fuzz.run --seconds 1200 [TARGET…]`, by atheris (libFuzzer).

Each target runs in a process of its own, since libFuzzer ends its process. What fails is written to `tests/fuzz/kept`,
where `test_targets.py` finds it, and is tried first the next time.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

_INPUT_BYTES_MAX = 4096
_START_SECONDS_MAX = 120


def main() -> int:
    """0 when nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - TARGETS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    return max(_run(name, arguments.seconds) for name in arguments.targets or TARGETS)


def _run(name: str, seconds: int) -> int:
    kept = Path(__file__).parent / "kept" / name
    kept.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={_INPUT_BYTES_MAX}", "-timeout=10", "-print_final_stats=1"]
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzz.child", name, *options, f"-artifact_prefix={kept}/", corpus]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _START_SECONDS_MAX)
        inputs = len(list(Path(corpus).iterdir()))
    told = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    verdict = "FAILED" if done.returncode else "no defect"
    print(f"{name}: {verdict} in {''.join(told) or '?'} inputs, {inputs} of them found new ways", flush=True)
    if done.returncode:
        print(done.stderr[-4000:], flush=True)
    elif not any(kept.iterdir()):
        kept.rmdir()
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
