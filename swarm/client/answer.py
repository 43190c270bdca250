"""SDP answers, made readable for aiortc, which fails on a rejected m-section (RFC 8829 §5.3.1) where browsers do not.

A rejected section may carry no codec, no ICE and no DTLS attribute, and aiortc wants all of them. It becomes an
`inactive` one, with the codecs we offered and the transport of the first section that was accepted.
"""

_transport_attributes = (
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "fingerprint",
    "setup",
    "candidate",
    "end-of-candidates",
)

_kept_of_offer = ("rtpmap", "fmtp", "mid", "rtcp-mux")


def readable_answer(offer: str, answer: str) -> str:
    """`answer` with every rejected section replaced; unchanged when there is none.

    Raises `ValueError` when the sections do not pair with those of the offer, or all were rejected.
    """
    _, offered = _sections(offer)
    session, answered = _sections(answer)
    if len(offered) != len(answered):
        raise ValueError(f"it has {len(answered)} media sections for the {len(offered)} offered")
    accepted = [section for section in answered if not _rejected(section)]
    if len(accepted) == len(answered):
        return answer
    if not accepted:
        raise ValueError("every media section was rejected")
    transport = _attributes(accepted[0], _transport_attributes)
    lines = list(session)
    for asked, given in zip(offered, answered, strict=True):
        lines += _inactive(asked, transport) if _rejected(given) else given
    return "\r\n".join(lines) + "\r\n"


def _sections(sdp: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    media: list[list[str]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            media.append([])
        if line:
            (media[-1] if media else session).append(line)
    return session, media


def _rejected(section: list[str]) -> bool:
    fields = section[0].split()
    return len(fields) > 1 and fields[1] == "0" and "a=bundle-only" not in section


def _inactive(offered: list[str], transport: list[str]) -> list[str]:
    return [offered[0], "c=IN IP4 0.0.0.0", "a=inactive", *_attributes(offered, _kept_of_offer), *transport]


def _attributes(section: list[str], names: tuple[str, ...]) -> list[str]:
    return [line for line in section if line.startswith("a=") and line[2:].partition(":")[0] in names]
