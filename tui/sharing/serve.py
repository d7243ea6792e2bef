"""`serve`: the workbench in a browser of this machine, for who has the token.

Who reaches it can run programs as its user, so that every request is checked before anything answers: it has
to come to a loopback name (a rebound DNS name is none), from a page of ours (`Origin`), with the token. That
comes once in the address; the browser then has it as a cookie, which pages of other sites cannot send.
"""

from __future__ import annotations

import hmac
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flowreasoner import command

from sandbox.errors import UsageError

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
SHORTEST_TOKEN = 16
_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# The page's own scripts and fonts, and the socket that it draws from; nothing from elsewhere.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' {socket}; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)

_FONT = """<style>
@font-face { font-family: "Roboto Mono"; src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf"); }
@font-face { font-family: "Roboto Mono"; font-style: italic;
             src: url("/static/fonts/RobotoMono-Italic-VariableFont_wght.ttf"); }
</style>"""
# The terminal takes keys through a text area of its own, and can send them once the first byte has come.
_FOCUS = """<script>
const typing = new MutationObserver(() => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) { typing.disconnect(); keys.focus(); }
});
typing.observe(document.documentElement, { subtree: true, childList: true, attributes: true });
</script>"""

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


class ServeError(UsageError):
    """It cannot be served like this; the message says what to do."""


def serve(port: int, token: str | None) -> None:
    """Serve until interrupted; the address goes to standard output, once.

    Raises:
        ServeError: textual-serve is missing, the port is taken, or the token too short to keep anyone out.
    """
    try:
        import textual_serve  # noqa: F401
        from aiohttp import web
    except ImportError:
        raise ServeError(
            "this needs textual-serve; install it with: pip install 'flowreasoner[web]'"
        ) from None
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ServeError(
            f"a token needs at least {SHORTEST_TOKEN} ASCII characters; leave it out to get a random one"
        )
    token = token or secrets.token_urlsafe(24)
    listening = _listen(port)
    port = listening.getsockname()[1]
    address = f"http://{HOST}:{port}/?token={_quoted(token)}"
    sys.stdout.write(
        f"{address}\nThe workbench is at this address; keep it to yourself. Ctrl-C stops the server.\n"
    )
    sys.stdout.flush()
    web.run_app(make_app(port, token), sock=listening, print=None, access_log=None)


def make_app(port: int, token: str) -> web.Application:
    """What answers: textual-serve's pages behind the checks."""
    import aiohttp_jinja2
    import jinja2
    from aiohttp import web
    from textual_serve.server import Server

    server = Server(_workbench(), host=HOST, port=port, title="FlowReasoner Workbench")

    async def index(request: web.Request) -> web.Response:
        host = request.host  # checked; behind `ssh -L` it is not ours, and the page has to come back to it
        context = {
            "font_size": _font_size(request.query.get("fontsize")),
            "app_websocket_url": f"ws://{host}/ws",
            "config": {"static": {"url": "/static/"}},
            "application": {"name": server.title},
        }
        page = aiohttp_jinja2.render_string("app_index.html", request, context)
        return web.Response(text=_own(page), content_type="text/html")

    app = web.Application(middlewares=[_checks(port, token)])
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(server.templates_path), autoescape=True)
    app.add_routes(
        [
            web.get("/", index),
            web.get("/ws", server.handle_websocket),
            web.get("/download/{key}", server.handle_download),
            web.static("/static", server.statics_path),
        ]
    )
    return app


def _checks(port: int, token: str) -> Any:
    """The one gate: aiohttp passes every request through it, also those no route is for."""
    from aiohttp import web

    cookie = f"flowreasoner-{port}"

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_loopback(request.host) or not _is_ours(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="There is no such page here.\n")
        given = request.query.get("token")
        if not _is_token(given if given is not None else request.cookies.get(cookie), token):
            raise web.HTTPForbidden(text="Open the address that `flowreasoner serve` printed.\n")
        if given is not None and request.path == "/":
            # Without the token in it, the address can stay on screen and in the history.
            response: web.StreamResponse = web.HTTPSeeOther("/")
            response.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
        else:
            response = await handler(request)
        if not response.prepared:
            _protect(response, request.host)
        return response

    return check


def _protect(response: web.StreamResponse, host: str) -> None:
    response.headers["Content-Security-Policy"] = _POLICY.format(socket=f"ws://{host}")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"


def _is_token(given: str | None, token: str) -> bool:
    # Compared in a time that does not tell how much of it is right.
    return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine; any port, for `ssh -L` may lead from another."""
    try:
        return urlsplit(f"//{host}").hostname in _NAMES
    except ValueError:
        return False


def _is_ours(origin: str | None, host: str) -> bool:
    """Browsers send an Origin with every socket; it must be the page that we served."""
    return origin is None or origin == f"http://{host}"


def _workbench() -> str:
    """What a shell starts for each page."""
    return shlex.join(command("tui.served"))


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise ServeError(
            f"port {port} cannot be used ({reason}); name another with --port, or 0 for any"
        ) from None
    return listening


def _quoted(token: str) -> str:
    from urllib.parse import quote

    return quote(token, safe="")


def _own(page: str) -> str:
    """textual-serve's page with its font from here, and with the keys in the terminal from the start."""
    page = re.sub(r'<link[^>]*href="https?://[^>]*>', _FONT, page)
    return page.replace("</body>", f"{_FOCUS}</body>", 1)


def _font_size(text: str | None) -> int:
    return min(48, max(6, int(text))) if text and text.isdecimal() and len(text) < 4 else 16
