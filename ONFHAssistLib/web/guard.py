"""Who may talk to the server: who has its token; pages of the server itself; one browser at a time.

Every local account reaches 127.0.0.1, so the token is wanted there, too. The browser of this machine is let in by a
code that is good for once (`Guard.new_code`): the address of a page that a program opens may be seen by others.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlsplit

from aiohttp import web

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TAKE_OVER = "/take-over"
CODE_S = 120.0
"""So long a code lets in that was not used."""
HEADERS = {
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without a referrer, a form of our own page has the origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "  # Vue makes its templates when the page is open
    "connect-src 'self' data: blob: ws://{host} wss://{host}; "
    "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'"
)
RELOAD_S = 1.5
"""A page that is loaded again asks for itself before the connection of its former self has ended: so long it may."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ONFHAssist</title><style>:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1rem }}
button {{ font: inherit; margin-top: 1rem; padding: .5rem 1rem; border: 1px solid; border-radius: .4rem }}</style>
<h1>ONFHAssist</h1><p>{sentence}</p>{more}</html>"""


@dataclass
class Guard:
    """The rules at the door of one server; ``attach`` puts them there.

    Attributes:
        token: what a client has to bring.
        hang_up: ends the connection of the present browser.
        alone: whether only this machine can connect.
        open: websockets that are open now.
    """

    token: str
    hang_up: Callable[[], Awaitable[None]]
    alone: bool = True
    open: int = field(default=0, init=False)
    _codes: dict[str, float] = field(default_factory=dict, init=False)

    def new_code(self) -> str:
        """Return a code that lets one browser in, once, within CODE_S."""
        code = new_token()
        self._codes[code] = time.monotonic() + CODE_S
        return code

    async def handle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let a request pass to its handler, or answer it with the sentence that says why not."""
        if not _readable(request):
            return _refuse("The request names its server or its page in a way that cannot be read.")
        if self.alone and _host_name(request) not in LOOPBACK:
            # A page elsewhere may let its own name point to this machine (DNS rebinding).
            return _refuse("This server is for the browser on its own machine: open it as http://127.0.0.1.")
        websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        if (websocket or request.method not in ("GET", "HEAD")) and not _own_page(request):
            return _refuse("A page from elsewhere may not connect to this server.")
        if self._brings(request):
            return self._remember(request)
        if not _same(request.cookies.get(cookie_name(request), ""), self.token):
            return _refuse("Open the link that the server printed: it carries the token that is wanted here.")
        if websocket:
            self.open += 1
            try:
                return await handler(request)
            finally:
                self.open -= 1
        if request.path == TAKE_OVER:
            return await self._take_over(request)
        if request.method == "GET" and request.path in ("/", "/index.html") and not await self._has_room():
            sentence = "Another browser or tab is reviewing here, and this server is for one reader at a time."
            form = f'<form method="post" action="{TAKE_OVER}"><button>Go on here instead</button></form>'
            return _page(sentence, f"<p>What was done there is kept as a draft.</p>{form}", 409)
        return await handler(request)

    def attach(self, app: web.Application) -> None:
        """Put the rules at the door of a server that does not listen yet."""

        @web.middleware
        async def check(request: web.Request, handler: Callable) -> web.StreamResponse:
            return await self.handle(request, handler)

        async def protect(request: web.Request, answer: web.StreamResponse) -> None:
            answer.headers.update(HEADERS)
            answer.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)

        app.middlewares.append(check)
        app.on_response_prepare.append(protect)

    def _brings(self, request: web.Request) -> bool:
        """Return whether the address has the token, or a code, which is void from then on."""
        given = request.query.get("token"), request.query.get("code")
        good_until = self._codes.pop(given[1] or "", 0.0)
        return _same(given[0] or "", self.token) or time.monotonic() < good_until

    def _remember(self, request: web.Request) -> web.Response:
        """Keep the token in a cookie, and take it out of the address line and the history.

        A page that loads the next one by itself, as a redirection would carry on from where the link was: a browser
        that comes from elsewhere, such as from a file, brings no cookie that is "Strict" then.
        """
        rest = {name: value for name, value in request.query.items() if name not in ("token", "code")}
        answer = _page("Opening…", "", 200)
        answer.headers["Refresh"] = f"0; url={request.rel_url.with_query(rest)}"
        answer.set_cookie(cookie_name(request), self.token, httponly=True, samesite="Strict")
        return answer

    async def _take_over(self, request: web.Request) -> web.Response:
        """Make room for a browser that asks for it, with a click on a page of this server."""
        if request.method != "POST":
            return _page("This is asked for by a click on the page.", "", 405)
        if self.open:
            await self.hang_up()
        await self._has_room()
        return web.Response(status=303, headers={"Location": "/index.html"})

    async def _has_room(self) -> bool:
        """Return whether nobody else is connected, or is gone in a moment."""
        for _ in range(15):
            if not self.open:
                return True
            await asyncio.sleep(RELOAD_S / 15)
        return False


def cookie_name(request: web.Request) -> str:
    """Return the name of the cookie: browsers keep cookies for a host, not for its ports, and servers may be two."""
    return f"onfh-assist-{urlsplit(f'//{request.host}').port or 80}"


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a server that listens at ``host``."""
    return host in LOOPBACK


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), token.encode())  # headers may hold any bytes


def _readable(request: web.Request) -> bool:
    try:
        urlsplit(f"//{request.host}").port  # noqa: B018 (it is parsed when it is asked for)
        urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        return False
    return True


def _own_page(request: web.Request) -> bool:
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host


def _host_name(request: web.Request) -> str:
    return urlsplit(f"//{request.host}").hostname or ""


def _refuse(sentence: str) -> web.Response:
    return _page(sentence, "", 403)


def _page(sentence: str, more: str, status: int) -> web.Response:
    text = _PAGE.format(sentence=escape(sentence), more=more)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})
