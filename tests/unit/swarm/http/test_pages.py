"""The pages and what they load; that they work is shown with a browser."""

import asyncio
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from aiohttp import ClientSession

from swarm.http.server import HttpServer

PRODUCER = "123e4567-e89b-42d3-a456-426614174000"
PAGES = ["/", "/publish", f"/watch/{PRODUCER}"]
ASSETS = sorted(entry.name for entry in files("swarm.http").joinpath("static").iterdir())
TYPES = {
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "html": "text/html",
    "json": "application/json",
}


class Page(HTMLParser):
    """Collects what a page loads, what it labels, and what a strict policy would block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.labelled: set[str] = set()
        self.fields: set[str] = set()
        self.inline: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        for name in ("src", "href"):
            if values.get(name):
                self.loads.append(values[name] or "")
        self.ids.add(values.get("id") or "")
        if tag == "label":
            self.labelled.add(values.get("for") or "")
        if tag == "select" or (tag == "input" and values.get("type") != "radio"):
            self.fields.add(values.get("id") or "?")


@pytest.fixture(params=PAGES)
async def page(client: ClientSession, request: pytest.FixtureRequest) -> Page:
    return Page(await (await client.get(request.param)).text())


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_comes_with_a_strict_policy(client: ClientSession, path: str) -> None:
    response = await client.get(path)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'"} <= set(policy)
    assert "unsafe" not in response.headers["Content-Security-Policy"]


async def test_only_pages_that_may_be_sent_on_talk_to_other_nodes(client: ClientSession) -> None:
    policies = [(await client.get(path)).headers["Content-Security-Policy"] for path in PAGES]
    assert "connect-src 'self'; " in policies[0]
    assert all("connect-src 'self' http: https:; " in policy for policy in policies[1:])


async def test_nothing_in_a_page_is_inline(page: Page) -> None:
    assert page.inline == []


async def test_a_page_loads_only_what_this_node_serves(client: ClientSession, page: Page) -> None:
    for target in page.loads:
        if target.startswith("#"):
            assert target[1:] in page.ids
        else:
            assert re.match(r"/(?!/)", target)
            assert (await client.get(target)).status == 200


async def test_every_field_has_a_label_and_the_page_a_language(page: Page) -> None:
    assert page.fields <= page.labelled
    assert ("html", {"lang": "en"}) in page.tags
    assert any(tag == "meta" and values.get("name") == "viewport" for tag, values in page.tags)
    assert [tag for tag, _ in page.tags].count("h1") == 1


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith((".js", ".html", ".css"))])
def test_no_asset_names_another_host_or_makes_markup_of_text(name: str) -> None:
    text = files("swarm.http").joinpath("static", name).read_text()
    assert not re.search(r"https?://[A-Za-z0-9]", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith(".js")])
def test_a_script_reaches_only_for_elements_that_its_page_has(name: str) -> None:
    static = files("swarm.http").joinpath("static")
    page = static.joinpath(name.replace(".js", ".html"))
    if not page.is_file():
        return
    wanted = set(re.findall(r'byId\("([a-z-]+)"\)', static.joinpath(name).read_text()))
    assert wanted
    assert wanted <= Page(page.read_text()).ids


@pytest.mark.parametrize("name", ASSETS)
async def test_an_asset_is_served_with_its_type_and_revalidated(client: ClientSession, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status == 200
    assert response.content_type == TYPES[name.rpartition(".")[2]]
    assert response.headers["Cache-Control"] == "no-cache"
    again = await client.get(f"/static/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.js",
        "/static/..%2fserver.py",
        "/static/%2e%2e%2fserver.py",
        "/static/..%5cserver.py",
        "/static/%2fetc%2fpasswd",
        "/static/style.css%00.js",
        "/static/style.css/",
        "/static/.",
        "/static/%2e%2e",
        "/static/__pycache__",
        "/static//etc/passwd",
        "/static/../server.py",
        "/../../../../etc/passwd",
    ],
)
async def test_nothing_but_the_assets_can_be_had(server: HttpServer, path: str) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split(b" ")[1] in (b"400", b"404")


async def test_the_icon_is_where_browsers_look_for_it(client: ClientSession) -> None:
    response = await client.get("/favicon.ico")
    assert response.status == 200
    assert response.content_type == "image/svg+xml"
