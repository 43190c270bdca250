"""A daemon has no codec in its process, and is small."""

import subprocess
import sys

import pytest


def run(program: str) -> str:
    """What a fresh interpreter prints, in which `leave_out` was called first."""
    lines = "from swarm.process.lean import leave_out\nleave_out()\n" + program
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_codec_library_is_loaded_with_a_whole_node() -> None:
    maps = run("import swarm.node\nprint(open('/proc/self/maps').read())")
    assert "libcrypto" in maps or "_rust" in maps
    assert "libav" not in maps
    assert "libvpx" not in maps


def test_the_resolver_of_names_is_not_loaded() -> None:
    assert run("import swarm.node, sys\nprint([m for m in sys.modules if m.split('.')[0] == 'dns'])").strip() == "[]"


@pytest.mark.parametrize(
    "use",
    [
        "import av; av.VideoFrame(640, 480)",
        "import av.codec; av.codec.CodecContext()",
        "from aiortc.codecs import get_decoder, CODECS; get_decoder(CODECS['video'][0])",
        "from aiortc.codecs import get_encoder, CODECS; get_encoder(CODECS['audio'][0])",
    ],
)
def test_what_was_left_out_cannot_be_used(use: str) -> None:
    program = f"import aiortc\ntry:\n    {use}\nexcept (AssertionError, AttributeError) as exc:\n    print('refused')"
    assert run(program).strip() == "refused"


def test_leaving_out_comes_first() -> None:
    program = "import aiortc\ntry:\n    leave_out()\nexcept AssertionError:\n    print('refused')"
    assert run(program).strip() == "refused"
