"""Counts the RTP packets of a viewer in the kernel: they reach its socket, and cost its process nothing.

A socket filter refuses them, and the kernel counts for each socket what it refused or had no room for. STUN, DTLS and
RTCP pass. So a few hundred viewers leave the processor to the server that is measured; what it sends, and to whom, is
the same. Linux only.
"""

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
_MEMINFO_FIELDS = 9

_LOAD_BYTE, _AND, _JUMP_IF_AT_LEAST, _RETURN = 0x30, 0x54, 0x35, 0x06
_UDP_HEADER_BYTES = 8

_PASS, _REFUSE = 8, 7
_RTP_ONLY = (
    (_LOAD_BYTE, 0, 0, _UDP_HEADER_BYTES),
    (_JUMP_IF_AT_LEAST, 0, _PASS - 2, 128),
    (_JUMP_IF_AT_LEAST, _PASS - 3, 0, 192),
    (_LOAD_BYTE, 0, 0, _UDP_HEADER_BYTES + 1),
    (_AND, 0, 0, 0x7F),
    (_JUMP_IF_AT_LEAST, 0, _REFUSE - 6, 64),
    (_JUMP_IF_AT_LEAST, _REFUSE - 7, _PASS - 7, 96),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
"""Classic BPF (operation, jump if true, jump if false, operand): RFC 7983's range of SRTP, less RFC 5761's of RTCP."""


def refuse_rtp(udp_socket: socket.socket) -> None:
    """From now on RTP packets are only counted. Raises `OSError` where the kernel has no such filters."""
    program = b"".join(struct.pack("HBBI", *step) for step in _RTP_ONLY)
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HL", len(_RTP_ONLY), ctypes.addressof(buffer))
    udp_socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)


def refused(udp_socket: socket.socket) -> int:
    """Datagrams that the socket did not take so far; wraps at 2^32."""
    fields = udp_socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_FIELDS)
    drops: int = struct.unpack(f"{_MEMINFO_FIELDS}I", fields)[_MEMINFO_DROPS]
    return drops
