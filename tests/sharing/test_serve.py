"""`serve`: nobody gets in without the token, and the workbench works in a real browser."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tui.sharing.serve import make_app

COMMAND = Path(sys.executable).with_name("flowreasoner")
TOKEN = "a-token-of-the-tests"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)


@dataclass
class Served:
    """A server that runs, and the address that it printed."""

    address: str

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return connection.getresponse()

    def status(self, path: str, **headers: str) -> int:
        return self.get(path, **headers).status

    @property
    def cookie(self) -> str:
        return f"flowreasoner-{self.port}={TOKEN}"


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Served]:
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "DOCKER_HOST")}
    env |= {"HOME": str(home), "FLOWREASONER_STORE": str(home / "store.db")}
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0", *options], stdout=subprocess.PIPE, text=True, env=env, cwd=home
    )
    try:
        assert process.stdout is not None
        yield Served(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home"), "--token", TOKEN) as server:
        yield server


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize("path", ["/", "/ws", "/static/js/textual.js", "/download/x", "/nothing", "/static/"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=" + TOKEN[:-1], "?token=%C3%A9"])
def test_nothing_without_the_token(served: Served, path: str, query: str) -> None:
    headers = WEBSOCKET if path == "/ws" else {}
    assert served.status(path + query, **headers) == 403
    assert served.status(path + query, Cookie=f"flowreasoner-{served.port}=wrong", **headers) == 403


def test_the_token_becomes_a_cookie(served: Served) -> None:
    first = served.get(f"/?token={TOKEN}")
    assert (first.status, first.headers["Location"]) == (303, "/")
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith(served.cookie) and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    page = served.get("/", Cookie=served.cookie)
    text = page.read().decode()
    assert page.status == 200
    assert f"ws://127.0.0.1:{served.port}/ws" in text and TOKEN not in text
    assert "https://" not in text and "/static/fonts/" in text  # nothing is fetched from elsewhere
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert served.status("/static/js/textual.js", Cookie=served.cookie) == 200
    assert served.status("/nothing", Cookie=served.cookie) == 404
    assert served.status("/static/../server.py", Cookie=served.cookie) in (403, 404)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "["]
)
def test_a_rebound_name_is_refused(served: Served, host: str) -> None:
    assert served.status("/", Host=host, Cookie=served.cookie) == 403
    assert served.status(f"/?token={TOKEN}", Host=host) == 403


def test_a_page_from_elsewhere_cannot_open_the_socket(served: Served) -> None:
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{served.port}", "http://127.0.0.1:1"):
        assert served.status("/ws", Origin=origin, Cookie=served.cookie, **WEBSOCKET) == 403


def test_it_works_through_a_forwarded_port(served: Served) -> None:
    page = served.get("/", Host="localhost:9999", Cookie=served.cookie)
    assert page.status == 200 and "ws://localhost:9999/ws" in page.read().decode()


def test_only_loopback_listens(served: Served) -> None:
    name = socket.gethostbyname(socket.gethostname())
    if name.startswith("127."):
        pytest.skip("this machine's name has no address but loopback")
    with pytest.raises(OSError), socket.create_connection((name, served.port), timeout=5):
        pass


def test_a_random_token_is_long_and_new(tmp_path: Path) -> None:
    with serving(tmp_path) as one, serving(tmp_path) as other:
        tokens = {urlsplit(s.address).query for s in (one, other)}
    assert len(tokens) == 2 and all(re.fullmatch(r"token=[\w-]{32,}", token) for token in tokens)


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--token", "short"), "at least 16"), (("--port", "{port}"), "cannot be used")],
)
def test_bad_options_are_one_sentence(
    served: Served, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    args = [option.format(port=served.port) for option in options]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = subprocess.run(
        [COMMAND, "serve", *args], check=False, capture_output=True, text=True, env=env, timeout=300
    )
    assert ended.returncode == 2
    assert told in ended.stderr and ended.stderr.count("\n") == 1


def test_the_app_is_made_without_running() -> None:
    assert {route.resource.canonical for route in make_app(1, TOKEN).router.routes() if route.resource} == {
        "/", "/ws", "/download/{key}", "/static",
    }  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; install it with: apt-get install chromium")
def test_a_run_in_a_browser(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # Without WebGL the terminal is drawn as elements, so that the page can be read.
    options = ["--no-sandbox", "--disable-3d-apis"]
    shown = "document.querySelector('.xterm-rows').innerText"
    with serving(tmp_path) as server, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(300_000)  # milliseconds
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(server.address)
        assert "token" not in page.url
        page.wait_for_function(f"() => document.querySelector('.xterm-rows') && {shown}.includes('Problem')")
        page.keyboard.press("Control+r")
        page.wait_for_function(f"() => {shown}.includes('Live run')")
        # The status line of an ended run.
        page.wait_for_function(f"() => /passed\\s+score 100%/.test({shown})")
        browser.close()
    assert not errors
    assert all(urlsplit(url).hostname == "127.0.0.1" for url in fetched if not url.startswith("data:"))
