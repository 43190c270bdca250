"""Reads an SDP offer (RFC 8866, RFC 9429) into what the SFU acts on: one transport and the m-lines on it.

A line parser of our own, linear in the size of the text. `aiortc.sdp` was looked at for it: it refuses a whole offer
over lines nobody needs here (an `fmtp` without `rtpmap`, a port `9/2`, a candidate it does not know), does not see
`bundle-only`, `rtcp-rsize` or the direction of an `extmap`, splits lines at U+2028, takes digits of any script, and
needs quadratic time for `fmtp` and `ssrc` lines. The checks around it would be longer than what it would save.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from foundation import limits
from media.mline import MediaOffer, read_media
from media.peer import RemotePeer, Setup
from media.sdp_lines import Section, refuse, split_sections

__all__ = ["MediaOffer", "Offer", "RemotePeer", "parse_offer"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole offer: m-lines in order, and the mids of the BUNDLE group in the group's order (empty: no group)."""

    peer: RemotePeer
    media: tuple[MediaOffer, ...]
    bundle: tuple[str, ...]


def parse_offer(text: str) -> Offer:
    """Parses an offer of a WHIP or WHEP client. Raises `BadOffer`, and nothing else, whatever the text is.

    All m-lines that the client wants must be in one BUNDLE group (a lone one needs no group) with RTCP multiplexed
    (RFC 9725 section 4.4.1). Candidates are counted and ignored: we are ICE-lite and never send first.
    """
    session, sections = split_sections(text)
    _bound(session, sections)
    groups = [value.split() for value in session.all("group")]
    bundles = [group[1:] for group in groups if group[:1] == ["BUNDLE"]]
    media = tuple(read_media(section, session, bundles) for section in sections)
    mids = [line.mid for line in media if line.mid]
    if len(set(mids)) < len(mids):
        refuse("two m-lines have the same mid")
    wanted = [line for line in media if not line.rejected]
    if not wanted:
        refuse("there is no m-line to answer")
    bundle = _bundle(wanted, bundles)
    return Offer(_peer(session, _transport_order(media, sections, bundle)), media, bundle)


def _bound(session: Section, sections: list[Section]) -> None:
    if len(sections) > limits.sdp_media_max:
        refuse(f"it has more than {limits.sdp_media_max} m-lines")
    everywhere = [session, *sections]
    if sum(len(section.all("candidate")) for section in everywhere) > limits.sdp_candidates_max:
        refuse(f"it has more than {limits.sdp_candidates_max} candidates")
    if "ice-lite" in session.attributes:
        refuse("an ICE-lite client cannot reach us, who are ICE-lite too: one end must send the checks")


def _bundle(wanted: list[MediaOffer], bundles: list[list[str]]) -> tuple[str, ...]:
    mids = [line.mid for line in wanted]
    if len(wanted) == 1 and not any(mids[0] in bundle for bundle in bundles):
        return ()
    if not all(mids):
        refuse("an m-line has no mid")
    for bundle in bundles:
        if set(mids) <= set(bundle):
            return tuple(dict.fromkeys(mid for mid in bundle if mid in mids))
    refuse("its m-lines are not in one BUNDLE group: every client of WHIP and WHEP has to bundle")


def _transport_order(media: tuple[MediaOffer, ...], sections: list[Section], bundle: Sequence[str]) -> list[Section]:
    """The m-lines in the order in which they may stand for the transport: that of the group, what we answer first.

    The first one that an answer keeps is the tagged one, whose transport is used (RFC 9143 section 7.3.1).
    """
    place = {mid: index for index, mid in enumerate(bundle)}
    live = [(line, section) for line, section in zip(media, sections, strict=True) if not line.rejected]
    live.sort(key=lambda pair: (not pair[0].answerable, place.get(pair[0].mid, 0)))
    return [section for _, section in live]


_ufrag = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)
_pwd = re.compile(r"[A-Za-z0-9+/]{22,256}", re.ASCII)
"""RFC 8839 section 5.4."""


def _peer(session: Section, order: list[Section]) -> RemotePeer:
    tagged, *others = order
    sources = [tagged, session, *others]
    ice = next((source for source in sources if source.first("ice-ufrag") is not None), session)
    ufrag, pwd = ice.first("ice-ufrag") or "", ice.first("ice-pwd") or session.first("ice-pwd") or ""
    if not _ufrag.fullmatch(ufrag):
        refuse("it has no ice-ufrag of 4 to 256 characters")
    if not _pwd.fullmatch(pwd):
        refuse("it has no ice-pwd of 22 to 256 characters")
    setup = next((value for source in sources if (value := source.first("setup")) is not None), None)
    if setup not in get_args(Setup):
        refuse("it has no setup attribute actpass, active or passive")
    certificate = next((source for source in sources if source.first("fingerprint") is not None), session)
    return RemotePeer(ufrag, pwd, _fingerprints(certificate.all("fingerprint")), cast(Setup, setup))


_hash_bytes = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_fingerprint = re.compile(r"([A-Za-z0-9-]{1,32}) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)", re.ASCII)


def _fingerprints(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(`sha-256`, `AB:CD:...`) pairs (RFC 8122 section 5); those of broken or unknown hash functions are left out."""
    if len(lines) > limits.sdp_fingerprints_max:
        refuse(f"it has more than {limits.sdp_fingerprints_max} fingerprints")
    found: dict[tuple[str, str], None] = {}
    for line in lines:
        match = _fingerprint.fullmatch(line)
        algorithm = match[1].lower() if match else ""
        if not match or (algorithm in _hash_bytes and len(match[2]) != 3 * _hash_bytes[algorithm] - 1):
            refuse("a certificate fingerprint is malformed")
        if algorithm in _hash_bytes:
            found[algorithm, match[2].upper()] = None
    if not found:
        refuse("it has no certificate fingerprint by sha-256, sha-384 or sha-512")
    return tuple(found)
