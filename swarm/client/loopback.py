"""aiortc offers the addresses of all interfaces but loopback; a node on this machine may have no other.

It is the one place of the clients that touches private names of aiortc and aioice; a test fails when they change.
"""

from aioice import Candidate, Connection
from aiortc import RTCPeerConnection

_loopback_addresses = ("127.0.0.1", "::1")


def gather_loopback_too(connection: RTCPeerConnection) -> None:
    """Lets the one bundled ICE transport of `connection` gather loopback addresses, after all others.

    Without it a machine that is offline has no candidate at all, and macOS refuses to send to 127.0.0.1 from an
    address of another interface.
    """
    gatherer = connection.getTransceivers()[0].receiver.transport.transport.iceGatherer
    ice: Connection = gatherer._connection
    gather = ice.get_component_candidates

    async def with_loopback(component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        return await gather(component, [*addresses, *_loopback_addresses], timeout)

    ice.get_component_candidates = with_loopback  # type: ignore[method-assign]
