"""What a node is told when it starts: one immutable value, checked as a whole."""

import ipaddress
import re
from dataclasses import dataclass

from foundation import limits
from foundation.address import checked, format_address, is_loopback, split_host_port
from foundation.errors import ConfigError, RemoteError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BASE_URL = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]{1,261}")


@dataclass(frozen=True, slots=True)
class Config:
    """The options of one node. Raises `ConfigError` with one sentence for the first wrong value."""

    listen: str = "127.0.0.1:7400"
    """`HOST:PORT`: TCP for HTTP and UDP for everything else, on the same number. Port 0 picks a free one; host `::`
    serves IPv4 and IPv6."""

    join: tuple[str, ...] = ()
    """`HOST[:PORT]` of any nodes of the swarm; one that answers is enough."""

    advertise: tuple[str, ...] = ()
    """`IP:PORT` under which others reach this node, for 1:1 NAT; empty: the addresses of its interfaces."""

    data_dir: str | None = None
    """Where the node's key and its contacts are kept; None: a new identity at every start."""

    max_consumers: int | None = None
    """Copies this node sends, to viewers and relays together, before it is busy. None: as many as measured load
    allows, at first about 190 viewers of 2.5 Mbit/s."""

    swarm: str = "default"
    """The swarm's name: nodes with different names do not see each other."""

    swarm_key_file: str | None = None
    """A file with the private swarm's 32-byte key in hex (`swarmd keygen`)."""

    open_swarm: bool = False
    """Listen beyond loopback without a swarm key, and serve everybody."""

    region: str = ""
    """A label that policies may prefer: viewers stay in their region where there is room."""

    token_key_file: str | None = None
    """A file with the secret (HS256) or public key (Ed25519 or RSA, PEM) that access tokens are checked with. None:
    only clients on this machine are served, or with `open_swarm` everybody."""

    tls_cert: str | None = None
    """A PEM file with the certificate chain for HTTPS, read again when it changes; None: plain HTTP."""

    tls_key: str | None = None
    """The PEM file with its private key."""

    public_url: str = ""
    """`https://HOST[:PORT]` under which clients reach this node's HTTP server; empty: its address."""

    trusted_proxy: tuple[str, ...] = ()
    """Addresses, or networks such as 10.0.0.0/8, of reverse proxies whose `Forwarded` is believed."""

    read_only: bool = False
    """For a node that others cannot reach, as behind a NAT without a mapped port: it finds and announces producers, but
    answers no node of the DHT and offers no room, so that none counts on it."""

    contacts_per_subnet: int = limits.subnet_contacts_max
    """Nodes in one public /24 (IPv6: /48) that this one knows at most, so that nobody surrounds it from one network;
    0: any number, for a swarm that lives in one. Private addresses are not counted."""

    max_packets_per_second: int | None = None
    """UDP datagrams sent. None: three quarters of what `swarmd bench --save` found, else 50,000 unless `max_consumers`
    is given. 0: no limit."""

    max_mbps: int | None = None
    """Millions of bits sent per second, as UDP payload: what the network carries. None: 800 unless `max_consumers` is
    given. 0: no limit."""

    max_cpu_percent: int = 85
    """Of one core, used by forwarding: above, a burst waits for the one before it. 0: no limit."""

    max_lag_ms: int = 100
    """By which timers may be late: above, packets wait as long, and no number of viewers says why. 0: no limit."""

    policy: str | None = None
    """A Python file with the placement policy to use instead of the default one (`docs/placement.md`)."""

    drain_seconds: int = 10
    """For handing over everything when the node is told to leave (SIGTERM), until it has ended; 0: it ends at once."""

    def __post_init__(self) -> None:
        host, _ = _host_port("--listen", self.listen)
        for address in self.join:
            _joinable(address)
        for address in self.advertise:
            _host_port("--advertise", address)
        if self.max_consumers is not None and self.max_consumers < 1:
            raise ConfigError(f"--max-consumers is {self.max_consumers}: give at least 1")
        for name in ("max_packets_per_second", "max_mbps", "max_cpu_percent", "max_lag_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"--{name.replace('_', '-')} is {value}: give a limit, or 0 for none")
        if self.contacts_per_subnet < 0:
            raise ConfigError(f"--contacts-per-subnet is {self.contacts_per_subnet}: give 0 or more")
        if not 0 <= self.drain_seconds <= limits.drain_seconds_max:
            raise ConfigError(f"--drain-seconds is {self.drain_seconds}: give 0 to {limits.drain_seconds_max:.0f}")
        if not self.swarm or len(self.swarm) > 64:
            raise ConfigError("--swarm is a name of 1 to 64 characters")
        if not self.region.isprintable() or len(self.region.encode()) > limits.node_record_label_bytes_max:
            raise ConfigError(f"--region is a label of at most {limits.node_record_label_bytes_max} bytes")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key belong together: give both")
        if self.public_url:
            _check_url(self.public_url)
        for network in self.trusted_proxy:
            _network(network)
        if not _loopback(host) and not self.open_swarm and self.swarm_key_file is None:
            raise ConfigError(
                f"--listen {format_address((host, 0))[:-2]} is reachable from outside: give --swarm-key-file "
                "(make one with 'swarmd keygen') or, to serve everybody, --open-swarm"
            )

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """`trusted_proxy`, parsed."""
        return tuple(map(_network, self.trusted_proxy))

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host as written, and port."""
        return split_host_port(self.listen)


def _check_url(text: str) -> None:
    if not _BASE_URL.fullmatch(text):
        raise ConfigError(f"--public-url {text}: write https://HOST or https://HOST:PORT, without a path")
    if len(text.encode()) > limits.node_record_url_bytes_max:
        raise ConfigError(f"--public-url has at most {limits.node_record_url_bytes_max} characters")


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigError(f"--trusted-proxy {text}: write an address, or a network such as 10.0.0.0/8") from None


def _host_port(option: str, text: str) -> tuple[str, int]:
    try:
        return split_host_port(text)
    except ValueError as exc:
        raise ConfigError(f"{option}: {exc}; write HOST:PORT") from None


def _joinable(text: str) -> None:
    host, port = _host_port("--join", text)
    refused = ConfigError(f"--join {text!r}: write HOST:PORT of one node of the swarm")
    if not port or not host.isprintable():
        raise refused
    try:
        host.encode("idna")  # as every lookup of the name will; it refuses what can be no name at all
    except UnicodeError:
        raise refused from None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    try:
        checked(host, port)
    except RemoteError as exc:
        raise ConfigError(f"--join {text!r}: {exc}; write HOST:PORT of one node of the swarm") from None


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:
        return False
