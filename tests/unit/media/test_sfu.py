import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from media.endpoint import Endpoint
from media.sdp import Offer, parse_offer
from media.sfu import Sfu

OFFERS = Path(__file__).parent / "offers"


def offer(name: str) -> Offer:
    return parse_offer((OFFERS / f"{name}.sdp").read_bytes().decode())


@pytest.fixture
async def sfu() -> AsyncIterator[Sfu]:
    loop = asyncio.get_running_loop()
    sfu = Sfu(Endpoint.open("127.0.0.1", 0, loop), loop, Random(1))
    yield sfu
    await sfu.close()


async def test_a_publisher_is_answered_with_the_retransmissions_it_offered(sfu: Sfu) -> None:
    session = sfu.publish(offer("chromium_publish"), uuid4())
    assert session.producer is not None
    video = session.producer.tracks["video"].parameters
    assert (video.rtx_payload_type, video.rtx_ssrc) == (97, 3373851530)
    assert "a=fmtp:97 apt=96\r\n" in session.answer
    assert "a=rtcp-fb:96 nack\r\n" in session.answer


async def test_a_viewer_s_video_has_two_fresh_ssrcs_and_is_told_them(sfu: Sfu) -> None:
    producer = sfu.publish(offer("chromium_publish"), uuid4()).producer
    assert producer is not None
    viewers = [sfu.view(offer(name), producer) for name in ("chromium_view", "firefox_view", "gstreamer_view")]
    for viewer in viewers[:2]:
        assert viewer.consumer is not None
        video = viewer.consumer.tracks["video"].parameters
        group = re.search(r"a=ssrc-group:FID (\d+) (\d+)\r\n", viewer.answer)
        assert group is not None
        assert (video.ssrc, video.rtx_ssrc) == (int(group[1]), int(group[2]))
        audio = viewer.consumer.tracks["audio"].parameters
        assert len({audio.ssrc, video.ssrc, video.rtx_ssrc}) == 3
        assert audio.rtx_ssrc is None
    assert "FID" not in viewers[2].answer
