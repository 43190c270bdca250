"""The printed command joins the node that printed it."""

import pytest

from swarm.config import Config
from swarm.invitation import invitation, join_command


@pytest.mark.parametrize(
    ("config", "url", "command"),
    [
        (Config(), "http://127.0.0.1:7400", "swarmd run --listen 127.0.0.1:0 --join 127.0.0.1:7400"),
        (Config("[::1]:7400"), "http://[::1]:7400", "swarmd run --listen '[::1]:0' --join '[::1]:7400'"),
        (Config("localhost"), "http://localhost:7400", "swarmd run --listen localhost:0 --join localhost:7400"),
        (
            Config("0.0.0.0:7400", open_swarm=True),
            "http://10.0.0.5:7400",
            "swarmd run --listen 0.0.0.0:7400 --join 10.0.0.5:7400 --open-swarm",
        ),
        (
            Config("[::]:7500", swarm="my talks", swarm_key_file="/etc/swarm.key"),
            "http://[2001:db8::1]:7500",
            "swarmd run --listen '[::]:7500' --join '[2001:db8::1]:7500' --swarm 'my talks' "
            "--swarm-key-file /etc/swarm.key",
        ),
    ],
)
def test_the_command_fits_the_node(config: Config, url: str, command: str) -> None:
    assert join_command(config, url) == command


def test_the_invitation_has_three_lines() -> None:
    publish, watch, join = invitation(Config(), "http://127.0.0.1:7400")
    assert "http://127.0.0.1:7400/publish" in publish
    assert "http://127.0.0.1:7400/watch/" in watch
    assert "swarmd run" in join
