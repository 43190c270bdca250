"""Chromium joins a stream whose last keyframe is a second old: it begins from the node's cache, and is not behind."""

from statistics import median
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page

from benchmarks.nodes import node
from tests.e2e.test_browser import LIVE_MS_MAX, chromium, opened, pytestmark, until

__all__ = ["pytestmark"]

JOINS_MAX = 6
GROUP_MS = 1200
"""Age of the keyframe at the join, at least: a viewer that stays behind does so by as much."""

REMEMBER_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...rest) { super(...rest); window.connections.push(this); }
};
"""
MAKE_KEYFRAME = """
async () => {
  const sender = window.connections[0].getSenders().find((each) => each.track?.kind === "video");
  const parameters = sender.getParameters();
  await sender.setParameters(parameters, { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) });
}
"""
VIDEO_STATS = """
async (type) => {
  const reports = await window.connections[0].getStats();
  return [...reports.values()].find((each) => each.type === type && each.kind === "video");
}
"""
LAGS = """
(count) => new Promise((resolve) => {
  const video = document.querySelector("video"), lags = [];
  const step = (now, frame) => {
    if (frame.rtpTimestamp !== undefined)
      lags.push(performance.timeOrigin + frame.expectedDisplayTime - frame.rtpTimestamp / 90);
    if (lags.length < count) video.requestVideoFrameCallback(step); else resolve(lags);
  };
  video.requestVideoFrameCallback(step);
})
"""
"""Milliseconds from the publisher's clock to each picture's display: alike for all who get the same timestamps."""


async def remembering(browser: Browser, url: str, complaints: list[str]) -> Page:
    page = await opened(browser, "about:blank", complaints)
    await page.add_init_script(REMEMBER_CONNECTIONS)
    await page.goto(url)
    return page


async def counters(url: str) -> dict[str, int]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/node") as response:
        found: dict[str, int] = (await response.json())["counters"]
        return found


async def video_stats(page: Page, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(VIDEO_STATS, kind)
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_viewer_begins_with_the_cached_keyframe_and_does_not_stay_behind(codec: str) -> None:
    complaints: list[str] = []
    async with node() as only, chromium() as browser:
        url = f"{only.url}/publish?codec={codec}&source=canvas&resolution=360"
        publisher = await remembering(browser, url, complaints)
        await publisher.click("#start")
        await publisher.wait_for_selector('body[data-state="live"]', timeout=LIVE_MS_MAX)
        watch = f"{only.url}/watch/{await publisher.text_content('#producer-id')}"
        first = await remembering(browser, watch, complaints)
        await until(first, "framesDecoded", 120)
        for _ in range(JOINS_MAX):
            await publisher.evaluate(MAKE_KEYFRAME)
            await publisher.wait_for_timeout(GROUP_MS)
            before, encoded = await counters(only.url), await video_stats(publisher, "outbound-rtp")
            late = await remembering(browser, watch, complaints)
            await until(late, "framesDecoded", 60)
            after, encoded_after = await counters(only.url), await video_stats(publisher, "outbound-rtp")
            if (
                after["catch_ups"] > before["catch_ups"]
                and encoded["keyFramesEncoded"] == encoded_after["keyFramesEncoded"]
            ):
                break
            await late.close()  # the machine was too slow for the group to be young still
        else:
            raise AssertionError("no join found a young keyframe in the cache")
        assert after["keyframe_requests_sent"] == before["keyframe_requests_sent"]
        assert after["catch_ups_abandoned"] == 0
        assert (await video_stats(late, "inbound-rtp"))["keyFramesDecoded"] == 1
        here, there = await first.evaluate(LAGS, 60), await late.evaluate(LAGS, 60)
        assert median(there) - median(here) < GROUP_MS / 2
        assert complaints == []
