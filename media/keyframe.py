"""Whether an RTP payload is the start of a keyframe, told from what precedes the picture and without decoding it.

A decoder that is given the stream from such a packet on can show it. Truncated payloads are not a start.
"""

from collections.abc import Callable
from typing import Final

Payload = bytes | memoryview


def starts_keyframe(codec_name: str, payload: Payload) -> bool:
    """Whether a decoder can begin with this packet; false for codecs that `keyframes_known` does not know.

    `codec_name` is that of SDP in upper case; `payload` is without RTP header and padding. A keyframe that comes with
    parameter sets in packets of their own (H.264, H.265) has several starts, all with one RTP timestamp.
    """
    starts = _starts.get(codec_name)
    return starts is not None and starts(payload)


def keyframes_known(codec_name: str) -> bool:
    """Whether the keyframes of this codec are recognised; consumers of any other begin with any packet."""
    return codec_name in _starts


def _vp8(payload: Payload) -> bool:
    # RFC 7741 section 4.2: X, S (start of a partition) and the partition's index; then the inverse key frame bit.
    if not payload or payload[0] & 0x17 != 0x10:
        return False
    position = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return False
        flags = payload[1]
        position = 2
        if flags & 0x80:
            if len(payload) <= position:
                return False
            position += 2 if payload[position] & 0x80 else 1
        position += (flags & 0x40 != 0) + (flags & 0x30 != 0)
    return len(payload) > position and payload[position] & 0x01 == 0


def _vp9(payload: Payload) -> bool:
    # RFC 9628 section 4.2: begins a frame (B) which is not predicted from others (P), in the lowest spatial layer.
    if len(payload) < 2:
        return False
    flags = payload[0]
    if flags & 0x48 != 0x08:
        return False
    position = 1
    if flags & 0x80:
        position += 2 if payload[1] & 0x80 else 1
    if flags & 0x20:
        return len(payload) > position and payload[position] & 0x0E == 0
    return len(payload) > position


_AV1_SEQUENCE_HEADER = 1


def _av1(payload: Payload) -> bool:
    # AV1 RTP specification section 4.4: N marks the first packet of a coded video sequence; Z continues an OBU.
    if len(payload) < 2:
        return False
    header = payload[0]
    continued = header & 0x80 != 0
    if header & 0x08 and not continued:
        return True
    in_all = header >> 4 & 0x03
    position, index = 1, 0
    while position < len(payload):
        index += 1
        size = len(payload) - position
        if index != in_all:
            size, position = _leb128(payload, position)
        whole = size > 0 and position < len(payload) and not (continued and index == 1)
        if whole and payload[position] >> 3 & 0x0F == _AV1_SEQUENCE_HEADER:
            return True
        position += size
    return False


def _leb128(payload: Payload, position: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(payload[position : position + 8]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, position + i + 1
    return 0, len(payload)


_H264_IDR_AND_SPS = frozenset({5, 7})
_H264_STAP_A, _H264_STAP_B, _H264_FU_A, _H264_FU_B = 24, 25, 28, 29


def _h264(payload: Payload) -> bool:
    # RFC 6184 section 5.2.
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    if kind in (_H264_FU_A, _H264_FU_B):
        return payload[1] & 0x80 != 0 and payload[1] & 0x1F in _H264_IDR_AND_SPS
    if kind in (_H264_STAP_A, _H264_STAP_B):
        units = _units(payload, 1 if kind == _H264_STAP_A else 3)
        return any(payload[unit] & 0x1F in _H264_IDR_AND_SPS for unit in units)
    return kind in _H264_IDR_AND_SPS


_H265_IRAP_VPS_AND_SPS = frozenset({16, 17, 18, 19, 20, 21, 32, 33})
_H265_AGGREGATION, _H265_FRAGMENT = 48, 49


def _h265(payload: Payload) -> bool:
    # RFC 7798 section 4.4, without decoding order numbers: nobody negotiates sprop-max-don-diff in WebRTC.
    if len(payload) < 3:
        return False
    kind = payload[0] >> 1 & 0x3F
    if kind == _H265_FRAGMENT:
        return payload[2] & 0x80 != 0 and payload[2] & 0x3F in _H265_IRAP_VPS_AND_SPS
    if kind == _H265_AGGREGATION:
        return any(payload[unit] >> 1 & 0x3F in _H265_IRAP_VPS_AND_SPS for unit in _units(payload, 2))
    return kind in _H265_IRAP_VPS_AND_SPS


def _units(payload: Payload, position: int) -> list[int]:
    """Where the NAL units of an aggregation packet begin, those that are cut off or empty left out."""
    found = []
    while position + 2 < len(payload):
        size = payload[position] << 8 | payload[position + 1]
        position += 2
        if size and position + size <= len(payload):
            found.append(position)
        position += size
    return found


_starts: Final[dict[str, Callable[[Payload], bool]]] = {
    "VP8": _vp8,
    "VP9": _vp9,
    "AV1": _av1,
    "H264": _h264,
    "H265": _h265,
}
