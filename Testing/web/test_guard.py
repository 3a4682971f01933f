"""Who gets into the browser reviewer, and what the others read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp comes with the extra 'review'")

from aiohttp import web  # noqa: E402
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from ONFHAssistLib.web import guard as door  # noqa: E402
from ONFHAssistLib.web.guard import TAKE_OVER, Guard, is_loopback, new_token  # noqa: E402

TOKEN = "a-token-of-the-test"


def visit(steps: Callable[[TestClient, Guard], Awaitable[None]], alone: bool = True) -> None:
    """Run the steps of a test against a small server with one page, one file and one websocket."""

    async def run() -> None:
        sockets: list[web.WebSocketResponse] = []

        async def page(request: web.Request) -> web.Response:
            return web.Response(text="the reviewer")

        async def socket(request: web.Request) -> web.WebSocketResponse:
            answer = web.WebSocketResponse()
            await answer.prepare(request)
            sockets.append(answer)
            async for _ in answer:
                pass
            return answer

        async def hang_up() -> None:
            for answer in list(sockets):
                await answer.close()
            sockets.clear()

        guard = Guard(TOKEN, hang_up, alone)
        app = web.Application()
        guard.attach(app)
        app.add_routes([web.get("/index.html", page), web.get("/x.js", page), web.get("/ws", socket)])
        async with TestClient(TestServer(app)) as client:
            await steps(client, guard)

    asyncio.run(run())


def own(client: TestClient) -> dict[str, str]:
    return {"Origin": f"http://{client.host}:{client.port}"}


def known(client: TestClient, token: str = TOKEN) -> dict[str, str]:
    return {"Cookie": f"onfh-assist-{client.port}={token}"}


@pytest.mark.parametrize("path", ["/index.html", "/x.js", "/ws", "/nothing"])
def test_another_account_of_this_machine_does_not_get_in(path: str):
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get(path)
        assert answer.status == 403 and "the reviewer" not in await answer.text()

    visit(steps)


def test_a_code_lets_one_browser_in_once_and_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    async def steps(client: TestClient, guard: Guard) -> None:
        code = guard.new_code()
        first = await client.get(f"/index.html?code={code}")
        assert first.status == 200 and first.headers["Refresh"] == "0; url=/index.html"
        assert code not in str(first.cookies) and code not in await first.text()
        assert (await client.get("/index.html")).status == 200, "the browser keeps the cookie"
        client.session.cookie_jar.clear()
        assert (await client.get(f"/index.html?code={code}")).status == 403
        monkeypatch.setattr(door, "CODE_S", -1.0)
        assert (await client.get(f"/index.html?code={guard.new_code()}")).status == 403

    visit(steps)


@pytest.mark.parametrize("path", ["/index.html", "/x.js", "/nothing"])
def test_no_page_from_elsewhere_shows_the_reviewer_in_a_frame(path: str):
    async def steps(client: TestClient, guard: Guard) -> None:
        for brought in ({}, known(client)):
            headers = (await client.get(path, headers=brought)).headers
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
            assert headers["Referrer-Policy"] == "same-origin"

    visit(steps)


def test_a_name_that_points_to_this_machine_is_refused():
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get("/index.html", headers={"Host": "evil.example:1234"})
        assert answer.status == 403 and "its own machine" in await answer.text()

    visit(steps)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("path", ["/index.html", "/x.js"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=ä", "?code=", "?code=wrong"])
def test_without_the_right_token_nothing_is_shown(path: str, query: str, alone: bool):
    async def steps(client: TestClient, guard: Guard) -> None:
        guard.new_code()
        answer = await client.get(path + query)
        text = await answer.text()
        assert answer.status == 403 and "link that the server printed" in text
        assert TOKEN not in text and "the reviewer" not in text

    visit(steps, alone)


def test_the_token_opens_the_door_and_leaves_the_address_line():
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get(f"/index.html?token={TOKEN}&a=1")
        assert answer.status == 200 and answer.headers["Refresh"] == "0; url=/index.html?a=1"
        assert TOKEN not in await answer.text()
        cookie = answer.cookies[f"onfh-assist-{client.port}"]
        assert cookie["httponly"] and cookie["samesite"] == "Strict"
        client.session.cookie_jar.clear()
        assert (await client.get("/index.html", headers=known(client))).status == 200
        assert (await client.get("/index.html", headers=known(client, TOKEN + "x"))).status == 403

    visit(steps)


def test_two_servers_of_one_machine_do_not_lock_each_other_out():
    async def steps(client: TestClient, guard: Guard) -> None:
        mine = known(client)["Cookie"]
        both = {"Cookie": f"{mine}; onfh-assist-1={'x' * 32}; onfh-assist={'y' * 32}"}
        assert (await client.get("/index.html", headers=both)).status == 200

    visit(steps)


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_a_page_from_elsewhere_cannot_connect(origin: dict[str, str]):
    async def steps(client: TestClient, guard: Guard) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/ws", headers={**origin, **known(client)})
        assert refused.value.status == 403
        own_page = await client.ws_connect("/ws", headers={**own(client), **known(client)})
        await own_page.close()

    visit(steps)


def test_a_websocket_needs_the_token_too():
    async def steps(client: TestClient, guard: Guard) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/ws", headers=own(client))
        await (await client.ws_connect("/ws", headers={**own(client), **known(client)})).close()

    visit(steps)


def test_a_second_browser_is_told_and_can_take_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "RELOAD_S", 0.15)

    async def steps(client: TestClient, guard: Guard) -> None:
        mine = known(client)
        first = await client.ws_connect("/ws", headers={**own(client), **mine})
        busy = await client.get("/index.html", headers=mine)
        assert busy.status == 409 and "Another browser" in await busy.text()
        assert (await client.get("/x.js", headers=mine)).status == 200
        taken = await client.post(TAKE_OVER, headers={**own(client), **mine}, allow_redirects=False)
        assert (taken.status, taken.headers["Location"]) == (303, "/index.html")
        assert (await client.get("/index.html", headers=mine)).status == 200
        assert (await first.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert guard.open == 0

    visit(steps)


def test_an_image_address_or_a_form_on_a_page_elsewhere_does_not_throw_the_reader_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "RELOAD_S", 0.15)

    async def steps(client: TestClient, guard: Guard) -> None:
        mine = known(client)
        reader = await client.ws_connect("/ws", headers={**own(client), **mine})
        for path in ("/index.html?take-over", TAKE_OVER):
            assert (await client.get(path, headers=mine)).status in (405, 409)
        for origin in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                assert (await client.request(method, TAKE_OVER, headers={**origin, **mine})).status == 403
        assert (await client.post(TAKE_OVER, headers=own(client))).status == 403, "without the cookie"
        assert guard.open == 1 and not reader.closed
        await reader.close()

    visit(steps)


def test_a_page_that_is_loaded_again_is_not_taken_for_a_second_one():
    async def steps(client: TestClient, guard: Guard) -> None:
        before = await client.ws_connect("/ws", headers={**own(client), **known(client)})
        again = asyncio.ensure_future(client.get("/index.html", headers=known(client)))
        await asyncio.sleep(0.1)
        await before.close()
        assert (await again).status == 200

    visit(steps)


def test_a_token_is_long_and_new_each_time():
    assert len({new_token() for _ in range(50)}) == 50 and min(len(new_token()) for _ in range(50)) >= 32


@pytest.mark.parametrize(("host", "alone"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_only_loopback_is_taken_for_this_machine(host: str, alone: bool):
    assert is_loopback(host) is alone


@pytest.mark.parametrize(
    "line",
    [b"Host: [::1", b"Host: 127.0.0.1:99999999", b"Host: 127.0.0.1:x", b"Origin: http://["],
)
def test_a_damaged_request_is_refused_and_no_error_of_the_server(line: bytes):
    async def steps(client: TestClient, guard: Guard) -> None:
        host = b"" if line.startswith(b"Host") else f"Host: {client.host}:{client.port}\r\n".encode()
        reader, writer = await asyncio.open_connection(client.host, client.port)
        method = b"POST" if line.startswith(b"Origin") else b"GET"
        start = method + b" /index.html HTTP/1.1\r\nContent-Length: 0\r\n"
        writer.write(start + host + line + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        assert b" 403 " in answer

    visit(steps)


def test_a_cookie_of_any_bytes_is_refused_and_no_error_of_the_server():
    async def steps(client: TestClient, guard: Guard) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        host = f"{client.host}:{client.port}".encode()
        cookie = f"onfh-assist-{client.port}=".encode() + b"\xff\xfe"
        writer.write(b"GET /index.html HTTP/1.1\r\nHost: " + host + b"\r\nCookie: " + cookie + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        assert b" 403 " in answer

    visit(steps)
