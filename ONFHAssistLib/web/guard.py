"""Who may talk to the server: this machine, or who has the token; pages of the server itself; one browser at a time."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlsplit

from aiohttp import web

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "onfh-assist"
TAKE_OVER = "take-over"
RELOAD_S = 1.5
"""A page that is loaded again asks for itself before the connection of its former self has ended: so long it may."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ONFHAssist</title><style>:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1rem }}
a {{ display: inline-block; margin-top: 1rem; padding: .5rem 1rem; border: 1px solid; border-radius: .4rem }}</style>
<h1>ONFHAssist</h1><p>{sentence}</p>{more}</html>"""


@dataclass
class Guard:
    """The rules at the door of one server; ``middleware`` is their aiohttp form.

    Attributes:
        token: what a client has to bring; None where only this machine can connect.
        hang_up: ends the connection of the present browser.
        open: websockets that are open now.
    """

    token: str | None
    hang_up: Callable[[], Awaitable[None]]
    open: int = field(default=0, init=False)

    async def handle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let a request pass to its handler, or answer it with the sentence that says why not."""
        if self.token is None and _host_name(request) not in LOOPBACK:
            # A page elsewhere may let its own name point to this machine (DNS rebinding).
            return _refuse("This server is for the browser on its own machine: open it as http://127.0.0.1.")
        websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        if websocket and urlsplit(request.headers.get("Origin", "")).netloc != request.host:
            return _refuse("A page from elsewhere may not connect to this server.")
        if self.token is not None:
            given = request.query.get("token")
            if given is not None and _same(given, self.token):
                return self._remember(request)
            if not _same(request.cookies.get(COOKIE, ""), self.token):
                return _refuse("Open the link that the server printed: it carries the token that is wanted here.")
        if websocket:
            self.open += 1
            try:
                return await handler(request)
            finally:
                self.open -= 1
        if request.method == "GET" and request.path in ("/", "/index.html"):
            busy = await self._receive(TAKE_OVER in request.query)
            if busy is not None:
                return busy
        return await handler(request)

    def middleware(self) -> Callable:
        """Return the rules for ``aiohttp.web.Application.middlewares``."""

        @web.middleware
        async def check(request: web.Request, handler: Callable) -> web.StreamResponse:
            return await self.handle(request, handler)

        return check

    def _remember(self, request: web.Request) -> web.Response:
        """Keep the token in a cookie, and take it out of the address line and the history."""
        rest = {name: value for name, value in request.query.items() if name != "token"}
        answer = web.Response(status=303, headers={"Location": str(request.rel_url.with_query(rest))})
        answer.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
        return answer

    async def _receive(self, take_over: bool) -> web.Response | None:
        """Make room for a page that is loaded; None when there is room, or the page that says that there is none."""
        if take_over and self.open:
            await self.hang_up()
        for _ in range(15):
            if not self.open:
                return None
            await asyncio.sleep(RELOAD_S / 15)
        sentence = "Another browser or tab is reviewing here, and this server is for one reader at a time."
        link = f'<p>What was done there is kept as a draft.</p><a href="/index.html?{TAKE_OVER}">Go on here instead</a>'
        return _page(sentence, link, 409)


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a server that listens at ``host``."""
    return host in LOOPBACK


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _host_name(request: web.Request) -> str:
    return urlsplit(f"//{request.host}").hostname or ""


def _refuse(sentence: str) -> web.Response:
    return _page(sentence, "", 403)


def _page(sentence: str, more: str, status: int) -> web.Response:
    text = _PAGE.format(sentence=escape(sentence), more=more)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})
