"""A node's options: what cannot be is refused with one sentence before anything is opened."""

import pytest

from foundation.errors import ConfigError
from swarm.config import Config


def test_the_defaults_are_a_node_of_its_own_on_loopback() -> None:
    assert Config().listen_address == ("127.0.0.1", 7400)
    assert Config().join == ()


@pytest.mark.parametrize(
    "address", ["seed.example.org", "seed:7401", "192.0.2.1", "[2001:db8::1]:7400", "bücher.example"]
)
def test_a_node_joins_by_names_and_numbers(address: str) -> None:
    assert Config(join=(address,)).join == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":7400",
        "a..b:7400",
        "x" * 64 + ":7400",
        "a\0b:7400",
        "host:0",
        "host:70000",
        "host:port",
        "0.0.0.0:7400",
        "[::]:7400",
        "224.0.0.1:7400",
        "[ff02::1]:7400",
        "[fe80::1%lo]:7400",
        "[::1",
    ],
)
def test_an_address_nobody_can_be_joined_by_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="--join"):
        Config(join=("127.0.0.1:7400", address))


@pytest.mark.parametrize("region", ["x" * 65, "語" * 22, "a\nb", "\udc80"])
def test_a_region_that_no_node_record_could_hold_is_refused(region: str) -> None:
    with pytest.raises(ConfigError, match="--region"):
        Config(region=region)


@pytest.mark.parametrize("listen", ["0.0.0.0:7400", "[::]:7400", "192.0.2.1:7400", "host.example:7400"])
def test_beyond_loopback_a_node_needs_a_key_or_to_be_open(listen: str) -> None:
    with pytest.raises(ConfigError, match="--swarm-key-file"):
        Config(listen=listen)
    assert Config(listen=listen, open_swarm=True).listen == listen
    assert Config(listen=listen, swarm_key_file="key").listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "[::1]:0", "127.1.2.3:7400"])
def test_loopback_needs_neither(listen: str) -> None:
    assert Config(listen=listen).listen == listen


@pytest.mark.parametrize("max_consumers", [0, -1])
def test_a_node_without_room_is_none(max_consumers: int) -> None:
    with pytest.raises(ConfigError, match="--max-consumers"):
        Config(max_consumers=max_consumers)


@pytest.mark.parametrize("swarm", ["", "x" * 65])
def test_a_swarm_has_a_name(swarm: str) -> None:
    with pytest.raises(ConfigError, match="--swarm"):
        Config(swarm=swarm)


def test_a_negative_number_of_contacts_is_refused() -> None:
    with pytest.raises(ConfigError, match="--contacts-per-subnet"):
        Config(contacts_per_subnet=-1)
