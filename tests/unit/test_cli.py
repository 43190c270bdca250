"""Options become a `Config` or one call; errors become one line and an exit code."""

import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import cli
from foundation.errors import BadToken, NoSuchProducer, RemoteError
from swarm.client.api import NodeApi
from swarm.config import Config
from swarm.load.capacity import saved_packets_per_second
from swarm.load.machine import describe_machine
from swarm.tokens import Access, load_token_key

PRODUCER = UUID("123e4567-e89b-42d3-a456-426614174000")
TREE = {
    "producer": str(PRODUCER),
    "root": {
        "node": "aa" * 20,
        "url": "http://127.0.0.1:1",
        "viewers": 0,
        "children": [{"node": "bb" * 20, "url": "http://127.0.0.1:2", "viewers": 1, "children": []}],
    },
}
NODE = {"id": "aa" * 20, "version": "0.1.0", "url": "http://127.0.0.1:1", "consumers": 1, "max_consumers": 2}

Swarmd = Callable[..., tuple[int, str, str]]


@pytest.fixture
def swarmd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Swarmd:
    """Runs the console script; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["swarmd", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    for variable in ("LISTEN", "JOIN", "MAX_CONSUMERS", "CONFIG", "REGION", "OPEN_SWARM", "WORKERS"):
        monkeypatch.delenv(f"SWARMD_{variable}", raising=False)
    return run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations of the nodes that would have been run."""
    configs: list[Config] = []

    async def run(config: Config) -> None:
        configs.append(config)

    monkeypatch.setattr(cli, "_run", run)
    return configs


def answering(monkeypatch: pytest.MonkeyPatch, name: str, outcome: Any) -> None:
    async def answer(*_: object) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(NodeApi, name, answer)


def assert_one_line(result: tuple[int, str, str], code: int, *words: str) -> None:
    assert result[0] == code, result
    assert len(result[2].splitlines()) == 1, result[2]
    assert result[2].startswith("swarmd: ")
    for word in words:
        assert word in result[2]


def test_without_options_a_node_has_the_defaults(swarmd: Swarmd, started: list[Config]) -> None:
    assert swarmd("run") == (0, "", "")
    assert started == [Config()]


def test_every_option_reaches_the_configuration(swarmd: Swarmd, started: list[Config]) -> None:
    options = "--listen 0.0.0.0:7 --join a:1 --join b:2 --advertise 9.9.9.9:7 --data-dir d --max-consumers 3 --swarm s"
    assert swarmd("run", *options.split(), "--swarm-key-file", "k", "--open-swarm", "--region", "r")[0] == 0
    assert started == [Config("0.0.0.0:7", ("a:1", "b:2"), ("9.9.9.9:7",), "d", 3, "s", "k", True, "r")]


def test_options_of_the_directory_reach_the_configuration(swarmd: Swarmd, started: list[Config]) -> None:
    assert swarmd("run", "--read-only", "--contacts-per-subnet", "0")[0] == 0
    assert started == [Config(read_only=True, contacts_per_subnet=0)]


def test_options_of_placement_reach_the_configuration(swarmd: Swarmd, started: list[Config]) -> None:
    options = "--max-packets-per-second 1 --max-mbps 0 --max-cpu-percent 3 --max-lag-ms 4 --policy p.py"
    assert swarmd("run", *options.split())[0] == 0
    assert started == [
        Config(max_packets_per_second=1, max_mbps=0, max_cpu_percent=3, max_lag_ms=4, policy="p.py"),
    ]


def test_a_saved_bench_is_where_run_finds_it(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = {"packets_per_second_per_core": 123_456, "machine": describe_machine()}

    async def run_bench(**_: object) -> dict[str, Any]:
        return found

    monkeypatch.setattr("swarm.bench.run.run_bench", run_bench)
    assert swarmd("bench", "--json", "--save", tmp_path)[0] == 0
    assert saved_packets_per_second(str(tmp_path)) == 123_456


def test_options_are_read_from_the_environment(
    swarmd: Swarmd, started: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMD_LISTEN", "127.0.0.1:9")
    monkeypatch.setenv("SWARMD_JOIN", "a:1 b:2,c:3")
    monkeypatch.setenv("SWARMD_OPEN_SWARM", "true")
    assert swarmd("run")[0] == 0
    assert started == [Config("127.0.0.1:9", ("a:1", "b:2", "c:3"), open_swarm=True)]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    swarmd: Swarmd, started: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "swarmd.toml"
    file.write_text('listen = "127.0.0.1:1"\nregion = "file"\nmax_consumers = 1\njoin = ["a:1"]\nlog-level = "error"\n')
    monkeypatch.setenv("SWARMD_REGION", "environment")
    monkeypatch.setenv("SWARMD_MAX_CONSUMERS", "2")
    assert swarmd("run", "--config", file, "--max-consumers", "3") == (0, "", "")
    assert started == [Config("127.0.0.1:1", ("a:1",), region="environment", max_consumers=3)]


def test_the_file_may_be_named_in_the_environment(
    swarmd: Swarmd, started: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "swarmd.toml"
    file.write_text("open_swarm = true\n")
    monkeypatch.setenv("SWARMD_CONFIG", str(file))
    assert swarmd("run")[0] == 0
    assert started == [Config(open_swarm=True)]


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_several_workers_are_supervised(
    swarmd: Swarmd, started: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    supervised: list[tuple[Config, int, str]] = []

    async def run_workers(config: Config, workers: int, log_level: str, _: object) -> int:
        supervised.append((config, workers, log_level))
        return 1

    monkeypatch.setattr("swarm.workers.supervisor.run_workers", run_workers)
    options: list[object] = []
    if how == "option":
        options = ["--workers", "3"]
    elif how == "environment":
        monkeypatch.setenv("SWARMD_WORKERS", "3")
    else:
        (tmp_path / "swarmd.toml").write_text("workers = 3\n")
        options = ["--config", tmp_path / "swarmd.toml"]
    assert swarmd("run", "--region", "r", *options) == (1, "", "")
    assert (supervised, started) == ([(Config(region="r"), 3, "warning")], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--join", "nowhere:port"], ["--join", "HOST:PORT"]),
        (["--join", ""], ["--join"]),
        (["--listen", "0.0.0.0"], ["--swarm-key-file", "--open-swarm"]),
        (["--max-consumers", "0"], ["--max-consumers"]),
        (["--max-mbps", "-1"], ["--max-mbps", "0 for none"]),
        (["--max-consumers", "many"], ["--max-consumers", "many", "swarmd run --help"]),
        (["--workers", "0"], ["--workers"]),
        (["--workers", "3", "--listen", "127.0.0.1:65534"], ["--workers", "65536"]),
        (["--log-level", "loud"], ["loud", "debug"]),
        (["--colour"], ["--colour"]),
        (["--config", "/nowhere/swarmd.toml"], ["/nowhere/swarmd.toml", "No such file"]),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(swarmd: Swarmd, options: list[str], words: list[str]) -> None:
    assert_one_line(swarmd("run", *options), 2, *words)


def test_no_command_shows_the_help(swarmd: Swarmd) -> None:
    code, out, err = swarmd()
    assert code == 2
    assert "demo" in out + err


def test_an_unknown_command_is_one_line(swarmd: Swarmd) -> None:
    assert_one_line(swarmd("fly"), 2, "fly", "--help")


def test_ctrl_c_ends_without_a_traceback(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(coroutine: Coroutine[Any, Any, Any]) -> Any:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_complete", interrupt)
    assert swarmd("run") == (130, "", "\n")


def test_a_token_is_made_and_good(swarmd: Swarmd, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    secret.chmod(0o600)
    options = ("--grant", "publish", "--grant", "play", "--producer", PRODUCER, "--subject", "ann", "--hours", "0.5")
    code, out, err = swarmd("token", secret, *options)
    assert (code, err) == (0, "")
    access = load_token_key(str(secret)).verify(out.strip(), time.time())
    assert access == Access(frozenset({"publish", "play"}), frozenset({PRODUCER}), "ann")
    with pytest.raises(BadToken):
        load_token_key(str(secret)).verify(out.strip(), time.time() + 1900)


def test_a_token_that_grants_nothing_is_not_made(swarmd: Swarmd, tmp_path: Path) -> None:
    assert_one_line(swarmd("token", tmp_path / "secret"), 2, "--grant")
    assert_one_line(swarmd("token", tmp_path / "secret", "--grant", "play"), 2, "cannot be read")


def test_a_token_is_read_from_a_file_or_the_environment(
    swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tokens: list[str] = []

    class Api(NodeApi):
        def __init__(self, base: str, token: str = "") -> None:
            tokens.append(token)
            super().__init__(base, token)

        async def tree(self, producer_id: UUID) -> dict[str, Any]:
            return TREE

    monkeypatch.setattr("swarm.client.api.NodeApi", Api)
    file = tmp_path / "token"
    file.write_text("from.a.file\n")
    assert swarmd("tree", PRODUCER)[0] == 0
    monkeypatch.setenv("SWARMD_TOKEN", "from.the.environment")
    assert swarmd("tree", PRODUCER)[0] == 0
    assert swarmd("tree", PRODUCER, "--token-file", file)[0] == 0
    assert tokens == ["", "from.the.environment", "from.a.file"]


@pytest.mark.parametrize("contents", [b"", b"two words", b"x" * 5000, b"\xff"])
def test_a_file_that_is_no_token_is_refused(swarmd: Swarmd, tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "token").write_bytes(contents)
    assert_one_line(swarmd("tree", PRODUCER, "--token-file", tmp_path / "token"), 2, "not one access token")


def test_a_key_is_32_bytes_in_hex(swarmd: Swarmd) -> None:
    (_, first, _), (_, second, _) = swarmd("keygen"), swarmd("keygen")
    assert len(bytes.fromhex(first.strip())) == 32
    assert first != second


def test_a_key_file_is_private_and_never_overwritten(swarmd: Swarmd, tmp_path: Path) -> None:
    file = tmp_path / "swarm.key"
    assert swarmd("keygen", file) == (0, "", "")
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text()
    assert_one_line(swarmd("keygen", file), 2, "exists")
    assert file.read_text() == key
    assert_one_line(swarmd("keygen", tmp_path / "missing" / "k"), 2, "cannot write")


def test_a_made_key_file_is_one_that_a_node_takes(swarmd: Swarmd, tmp_path: Path) -> None:
    from swarm.swarm_key import load_swarm_key

    swarmd("keygen", tmp_path / "swarm.key")
    assert len(load_swarm_key(str(tmp_path / "swarm.key")).current) == 32


def test_a_key_is_changed_in_three_steps_of_one_command(swarmd: Swarmd, tmp_path: Path) -> None:
    file = tmp_path / "swarm.key"
    swarmd("keygen", file)
    for step in (1, 2, 3):
        code, out, err = swarmd("keygen", "--rotate", file)
        assert (code, err) == (0, "")
        assert out.startswith(f"Step {step} of 3")
        assert len(out.splitlines()) == 1
    assert_one_line(swarmd("keygen", "--rotate"), 2, "FILE")
    assert_one_line(swarmd("keygen", "--rotate", tmp_path / "missing"), 2, "cannot be read")


@pytest.mark.parametrize(("command", "call"), [("lookup", "producer"), ("tree", "tree")])
def test_lookup_and_tree_print_the_apis_json(
    swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch, command: str, call: str
) -> None:
    answering(monkeypatch, call, TREE)
    code, out, _ = swarmd(command, PRODUCER, "--json")
    assert code == 0
    assert json.loads(out) == TREE


def test_a_tree_is_drawn_from_its_owner_down(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "tree", TREE)
    _, out, _ = swarmd("tree", PRODUCER)
    lines = out.splitlines()
    assert str(PRODUCER) in lines[0]
    assert "owner" in lines[1]
    assert "relay" in lines[2]
    assert "1 viewer" in lines[2]


def test_a_lookup_names_the_owner(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "producer", {"id": str(PRODUCER), "owner": "cc" * 20, "carried_here": False})
    _, out, _ = swarmd("lookup", PRODUCER)
    assert "cc" * 20 in out


def test_a_node_is_told_to_leave_and_told_to_stay(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"draining": True, "seconds_left": 10.0, "sessions": 2, "relays": 1}
    answering(monkeypatch, "drain", state)
    answering(monkeypatch, "undrain", {**state, "draining": False})
    code, out, err = swarmd("drain", "http://127.0.0.1:1", "--seconds", "10")
    assert (code, err) == (0, "")
    assert "10 s" in out
    assert "2 sessions" in out
    assert json.loads(swarmd("drain", "--json")[1]) == state
    assert "stays" in swarmd("drain", "--undo")[1]


def test_who_may_not_drain_a_node_is_told_so(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "drain", RemoteError("from its own machine"))
    assert_one_line(swarmd("drain"), 1, "from its own machine")


def test_status_shows_the_node_and_what_it_carries(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    track = {"kind": "video", "codec": "VP8"}
    peer = {"id": "bb" * 20, "address": "127.0.0.1:2", "url": "http://127.0.0.1:2", "rtt_ms": 0.25}
    carried = {"id": str(PRODUCER), "role": "relay", "tracks": [track], "viewers": 4, "relays": 0, "age_seconds": 4000}
    answering(monkeypatch, "node", NODE | {"peers": [peer, peer | {"rtt_ms": None}]})
    answering(monkeypatch, "producers", [carried])
    _, out, _ = swarmd("status")
    for word in ("1 of 2", "relay", "video VP8", str(PRODUCER), "1 h 6 min", "0.2 ms", "bbbbbbbbbbbb"):
        assert word in out
    _, out, _ = swarmd("status", "--json")
    assert json.loads(out)["producers"] == [carried]


def test_a_sparse_status_is_shown_too(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "node", {})
    answering(monkeypatch, "producers", [])
    assert swarmd("status")[0] == 0


def test_a_refusal_is_one_line_and_exit_code_1(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "tree", NoSuchProducer("no live producer\nhas this id"))
    assert_one_line(swarmd("tree", PRODUCER), 1, "no live producer has this id")
    answering(monkeypatch, "node", RemoteError("no node answers"))
    assert_one_line(swarmd("status"), 1, "no node answers")


@pytest.mark.parametrize("command", ["lookup", "tree"])
def test_an_id_that_is_none_is_exit_code_2(swarmd: Swarmd, command: str) -> None:
    assert_one_line(swarmd(command, "talk"), 2, "talk", "UUID")


@pytest.mark.parametrize(
    "arguments",
    [["status", "--api", "localhost"], ["play", "localhost"], ["play", "http://h"], ["publish", "--to", "h:1"]],
)
def test_a_url_that_is_none_is_exit_code_2(swarmd: Swarmd, arguments: list[str]) -> None:
    assert_one_line(swarmd(*arguments), 2, "write http")


def test_a_media_file_that_is_none_is_exit_code_2(swarmd: Swarmd, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_text("no media")
    assert_one_line(swarmd("publish", tmp_path / "talk.mp4"), 2, "cannot play", "talk.mp4")
    assert_one_line(swarmd("publish", tmp_path / "other.mp4"), 2, "No such file")


def test_nobody_to_publish_to_is_exit_code_1(swarmd: Swarmd, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    assert_one_line(swarmd("publish", "--to", url), 1, url)
    assert_one_line(swarmd("play", f"{url}/watch/{PRODUCER}"), 1, url)


def test_a_daemon_loads_neither_rich_nor_the_clients() -> None:
    import subprocess

    program = "import cli, sys; cli.commands.main(['run', '--help'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for module in ("rich.console", "swarm.client", "aiortc", "aiohttp"):
        assert f"'{module}'" not in done.stdout
