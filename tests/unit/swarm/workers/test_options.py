"""Each worker gets the operator's options, with a port, a key and neighbours of its own."""

import pytest

import cli
from foundation import process_limits as limits
from foundation.errors import ConfigError
from swarm.config import Config
from swarm.workers.options import check_workers, run_arguments, worker_config

EVERYTHING = Config(
    listen="127.0.0.1:7",
    join=("a:1", "b:2"),
    advertise=("9.9.9.9:7",),
    data_dir="d",
    max_consumers=3,
    swarm="s",
    swarm_key_file="-k",
    open_swarm=True,
    region="r r",
)


@pytest.mark.parametrize("config", [Config(), EVERYTHING])
def test_the_arguments_make_the_same_configuration(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Config] = []

    async def run(config: Config) -> None:
        started.append(config)

    monkeypatch.setattr(cli, "_run", run)
    cli.commands.main(run_arguments(config), standalone_mode=False)
    assert started == [config]


def test_ports_and_what_is_advertised_are_counted_up() -> None:
    config = worker_config(EVERYTHING, 2, {})
    assert (config.listen, config.advertise) == ("127.0.0.1:9", ("9.9.9.9:9",))


def test_each_worker_has_a_directory_of_its_own() -> None:
    assert worker_config(EVERYTHING, 0, {}).data_dir == "d/worker-1"
    assert worker_config(EVERYTHING, 1, {}).data_dir == "d/worker-2"
    assert worker_config(Config(), 1, {}).data_dir is None


def test_the_first_joins_what_the_operator_said_and_others_join_the_first_too() -> None:
    config = Config(join=("seed:1",))
    assert worker_config(config, 0, {}).join == ("seed:1",)
    assert worker_config(config, 1, {0: "127.0.0.1:7400"}).join == ("seed:1", "127.0.0.1:7400")


def test_a_worker_that_starts_again_joins_a_few_of_the_others_but_not_itself() -> None:
    known = {number: f"127.0.0.1:{7400 + number}" for number in range(20)}
    assert worker_config(Config(), 0, known).join == ("127.0.0.1:7401", "127.0.0.1:7402", "127.0.0.1:7403")
    assert len(worker_config(Config(), 9, known).join) == limits.worker_joins_max


def test_a_worker_with_a_free_port_keeps_it_when_it_starts_again() -> None:
    config = Config(listen="[::1]:0")
    assert worker_config(config, 1, {0: "[::1]:5000"}).listen == "[::1]:0"
    assert worker_config(config, 1, {0: "[::1]:5000", 1: "[::1]:6000"}).listen == "[::1]:6000"


@pytest.mark.parametrize(("host", "near"), [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]"), ("10.0.0.1", "10.0.0.1")])
def test_behind_a_nat_workers_join_each_other_on_their_own_side(host: str, near: str) -> None:
    config = Config(listen=f"{host}:7400", advertise=("9.9.9.9:7400",), open_swarm=True)
    assert worker_config(config, 1, {0: "9.9.9.9:7400"}).join == (f"{near}:7400",)


@pytest.mark.parametrize(
    ("config", "workers", "word"),
    [
        (Config(), 0, "--workers"),
        (Config(), limits.workers_max + 1, "--workers"),
        (Config(listen="127.0.0.1:65535"), 2, "65536"),
        (Config(listen="127.0.0.1:0", advertise=("9.9.9.9:7",)), 2, "--advertise"),
    ],
)
def test_what_cannot_share_a_machine_is_refused(config: Config, workers: int, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check_workers(config, workers)


def test_an_advertised_port_that_cannot_be_counted_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="--advertise"):
        worker_config(Config(advertise=("9.9.9.9:65535",)), 1, {})
