"""Chromium publishes its (fake) camera by one node's page; another Chromium page watches by another node's."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.nodes import node

CHROMIUM = shutil.which("chromium")
LIVE_MS_MAX = 30_000
POLLS_MAX = 90

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def opened(browser: Browser, url: str, complaints: list[str]) -> Page:
    """A page in a context of its own; what it writes to the console as an error is collected."""
    page = await (await browser.new_context()).new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


async def until(page: Page, key: str, at_least: int) -> dict[str, Any]:
    """The page's statistics, once this one has come so far."""
    for _ in range(POLLS_MAX):
        stats: dict[str, Any] = await page.evaluate("window.swarmdStats")
        if (stats.get(key) or 0) >= at_least:
            return stats
        await page.wait_for_timeout(500)
    raise AssertionError(f"{key} stays below {at_least}: {stats}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("codec", ["VP8", "H264", "VP9", "AV1"])
async def test_a_page_on_another_node_plays_what_a_page_publishes(codec: str) -> None:
    complaints: list[str] = []
    async with node() as first, node("--join", first.authority) as second, chromium() as browser:
        publisher = await opened(browser, f"{first.url}/publish?codec={codec}&source=camera&resolution=360", complaints)
        await publisher.click("#start")
        await publisher.wait_for_selector('body[data-state="live"]', timeout=LIVE_MS_MAX)
        producer = await publisher.text_content("#producer-id")
        viewer = await opened(browser, f"{second.url}/watch/{producer}", complaints)
        await viewer.wait_for_selector('body[data-state="playing"]', timeout=LIVE_MS_MAX)
        watched = await until(viewer, "framesDecoded", 30)
        published = await until(publisher, "framesEncoded", 30)
        captured = await publisher.evaluate(
            "(() => { const video = document.getElementById('preview'); return video.videoHeight; })()"
        )
        assert captured == 360
        assert (watched["frameWidth"], watched["frameHeight"]) == (published["frameWidth"], published["frameHeight"])
        assert watched["frameHeight"] == captured
        again = await until(viewer, "framesDecoded", watched["framesDecoded"] + 30)
        assert again["framesDecoded"] > watched["framesDecoded"]
        assert complaints == []


@pytest.mark.timeout(180)
async def test_bandwidth_feedback_lets_a_page_publish_at_full_resolution() -> None:
    complaints: list[str] = []
    async with node() as only, chromium() as browser:
        publisher = await opened(browser, f"{only.url}/publish?codec=VP8&source=canvas&resolution=720", complaints)
        await publisher.click("#start")
        await publisher.wait_for_selector('body[data-state="live"]', timeout=LIVE_MS_MAX)
        await until(publisher, "frameHeight", 720)
        stats = await until(publisher, "bitrate", 500_000)
        assert (stats["frameWidth"], stats["frameHeight"]) == (1280, 720)
        assert complaints == []


@pytest.mark.timeout(180)
async def test_a_page_goes_elsewhere_when_its_node_leaves() -> None:
    complaints: list[str] = []
    async with (
        node() as first,
        node("--join", first.authority, "--drain-seconds", "600") as second,
        chromium() as browser,
    ):
        publisher = await opened(browser, f"{first.url}/publish?codec=VP8&source=camera&resolution=360", complaints)
        await publisher.click("#start")
        await publisher.wait_for_selector('body[data-state="live"]', timeout=LIVE_MS_MAX)
        producer = await publisher.text_content("#producer-id")
        viewer = await opened(browser, f"{second.url}/watch/{producer}", complaints)
        await viewer.wait_for_selector('body[data-state="playing"]', timeout=LIVE_MS_MAX)
        await until(viewer, "framesDecoded", 30)
        assert await viewer.text_content("#served-by") == second.authority
        second.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await second.process.wait() == 0
        assert await viewer.text_content("#served-by") == first.authority
        assert await viewer.evaluate("document.body.dataset.state") == "playing"
        before = await until(viewer, "framesDecoded", 1)
        await until(viewer, "framesDecoded", before["framesDecoded"] + 30)
        assert complaints == []


@pytest.mark.timeout(120)
async def test_the_dashboard_shows_what_the_node_carries() -> None:
    complaints: list[str] = []
    async with node() as only, chromium() as browser:
        publisher = await opened(browser, f"{only.url}/publish?source=canvas&resolution=360", complaints)
        await publisher.click("#start")
        await publisher.wait_for_selector('body[data-state="live"]', timeout=LIVE_MS_MAX)
        producer = await publisher.text_content("#producer-id")
        dashboard = await opened(browser, only.url, complaints)
        await dashboard.wait_for_selector(f'a[href*="/watch/{producer}"]', timeout=LIVE_MS_MAX)
        assert complaints == []
