"""What an operator sees when something is wrong at the start: one line, exit code 2, no traceback."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from benchmarks.nodes import node


async def run(*options: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Runs `swarmd` to its end; gives exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def assert_one_helpful_line(result: tuple[int, str, str], *words: str) -> None:
    code, _, err = result
    assert code == 2, err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err


def key_file(directory: Path) -> Path:
    (key,) = [path for path in directory.iterdir() if path.is_file()]
    return key


async def test_a_tcp_port_in_use_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_helpful_line(await run("run", "--listen", f"127.0.0.1:{port}"), str(port), "in use")


async def test_a_udp_port_in_use_is_one_line_and_exit_code_2() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert_one_helpful_line(await run("run", "--listen", f"127.0.0.1:{port}"), str(port), "in use")


@pytest.mark.parametrize("address", ["127.0.0.1:port", "", "host:99999999", "[::1"])
async def test_a_malformed_join_address_is_one_line_and_exit_code_2(address: str) -> None:
    assert_one_helpful_line(await run("run", "--listen", "127.0.0.1:0", "--join", address), "--join")


async def test_listening_beyond_loopback_needs_a_key_or_an_open_swarm() -> None:
    assert_one_helpful_line(await run("run", "--listen", "0.0.0.0:0"), "--swarm-key-file", "--open-swarm")


async def test_a_world_readable_key_file_is_refused(tmp_path: Path) -> None:
    async with node("--data-dir", str(tmp_path)):
        pass
    key = key_file(tmp_path)
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    assert_one_helpful_line(await run("run", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)), str(key))


async def test_a_half_written_key_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    async with node("--data-dir", str(tmp_path)):
        pass
    key = key_file(tmp_path)
    key.write_bytes(key.read_bytes()[:17])
    half = key.read_bytes()
    assert_one_helpful_line(await run("run", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)), str(key))
    assert key.read_bytes() == half


async def test_an_unknown_key_in_the_configuration_file_is_named(tmp_path: Path) -> None:
    config = tmp_path / "swarmd.toml"
    config.write_text("lissten = '127.0.0.1:0'\n")
    assert_one_helpful_line(await run("run", "--config", str(config)), "lissten", str(config))


async def test_a_wrong_type_in_the_configuration_file_is_named(tmp_path: Path) -> None:
    config = tmp_path / "swarmd.toml"
    config.write_text("max_consumers = 'many'\n")
    assert_one_helpful_line(await run("run", "--config", str(config)), "max_consumers", str(config))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_node_ends_with_exit_code_0_when_it_is_told_to(how: signal.Signals) -> None:
    async with node() as running:
        running.process.send_signal(how)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
