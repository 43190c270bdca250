"""Intake: what another publisher session sends is made to look like what consumers of the producer agreed on.

A publisher that comes back by another node may number payload types and header extensions otherwise. They are renamed
once, where its packets come in, so that every consumer, on links too, goes on with the names it has. Sans-IO.
"""

from dataclasses import replace

from foundation.errors import LocalError
from media.codecs import choose
from media.parameters import TrackParameters
from media.rewriter import remapped_extensions
from media.rtp import RtpHeader


class Intake:
    """Of one track, while its sender's names differ from the producer's."""

    def __init__(self, agreed: TrackParameters, incoming: TrackParameters) -> None:
        self._payload_type = agreed.codec.payload_type
        ids = {extension.uri: extension.id for extension in agreed.extensions}
        self._ids = {extension.id: ids[extension.uri] for extension in incoming.extensions if extension.uri in ids}

    def renamed(self, packet: bytes, header: RtpHeader) -> tuple[bytes, RtpHeader]:
        """The packet and its header with the names of the producer. Raises `RemoteError` for malformed extensions."""
        made = bytearray(packet)
        made[1] = header.marker << 7 | self._payload_type
        if header.extensions_end > header.extensions_start:
            made[header.extensions_start : header.extensions_end] = remapped_extensions(packet, header, self._ids)
        return bytes(made), replace(header, payload_type=self._payload_type)


def intake_of(agreed: TrackParameters, incoming: TrackParameters) -> Intake | None:
    """What has to be renamed, None for nothing.

    Raises `LocalError` when a consumer of the agreed track could not decode the other one.
    """
    if choose(incoming.codec, [agreed.codec]) is None:
        raise LocalError(f"{incoming.codec.mime_type} does not follow {agreed.codec.mime_type}")
    if (agreed.codec.payload_type, agreed.extensions) == (incoming.codec.payload_type, incoming.extensions):
        return None
    return Intake(agreed, incoming)
