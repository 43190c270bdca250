"""What `swarmd run` prints: where to publish, where to watch, and how another node joins."""

import shlex

from foundation.address import format_address, is_loopback, split_host_port
from swarm.config import Config


def invitation(config: Config, url: str) -> list[str]:
    """Three lines for the node that answers at `url`. The command can be pasted as it is."""
    return [
        f"publish  {url}/publish  or by WHIP at {url}/whip",
        f"watch    {url}/watch/UUID  or by WHEP at {url}/whep/UUID",
        f"join     {join_command(config, url)}",
    ]


def join_command(config: Config, url: str) -> str:
    """How another node joins this one: on the same machine when this one serves loopback only."""
    host, port = split_host_port(url.partition("://")[2])
    if _loopback(host):
        # Another node of this machine needs a port of its own.
        listen = format_address((host, 0))
    else:
        listen = format_address(("::" if ":" in config.listen_address[0] else "0.0.0.0", port))
    words = ["swarmd", "run", "--listen", listen, "--join", format_address((host, port))]
    if config.swarm != Config().swarm:
        words += ["--swarm", config.swarm]
    if config.swarm_key_file is not None:
        words += ["--swarm-key-file", config.swarm_key_file]
    if config.open_swarm:
        words.append("--open-swarm")
    return shlex.join(words)


def _loopback(host: str) -> bool:
    try:
        return is_loopback(host)
    except ValueError:
        return host == "localhost"
