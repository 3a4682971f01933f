"""Who gets into the browser reviewer, and what the others read."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp comes with the extra 'review'")

from aiohttp import web  # noqa: E402
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from ONFHAssistLib.web import guard as door  # noqa: E402
from ONFHAssistLib.web.guard import COOKIE, Guard, is_loopback, new_token  # noqa: E402

TOKEN = "a-token-of-the-test"


def visit(token: str | None, steps: Callable[[TestClient, Guard], Awaitable[None]]) -> None:
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

        guard = Guard(token, hang_up)
        app = web.Application(middlewares=[guard.middleware()])
        app.add_routes([web.get("/index.html", page), web.get("/x.js", page), web.get("/ws", socket)])
        async with TestClient(TestServer(app)) as client:
            await steps(client, guard)

    asyncio.run(run())


def own(client: TestClient) -> dict[str, str]:
    return {"Origin": f"http://{client.host}:{client.port}"}


def test_this_machine_needs_no_token():
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get("/index.html")
        assert (answer.status, await answer.text()) == (200, "the reviewer")

    visit(None, steps)


def test_a_name_that_points_to_this_machine_is_refused():
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get("/index.html", headers={"Host": "evil.example:1234"})
        assert answer.status == 403 and "its own machine" in await answer.text()

    visit(None, steps)


@pytest.mark.parametrize("path", ["/index.html", "/x.js"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=ä"])
def test_without_the_right_token_nothing_is_shown(path: str, query: str):
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get(path + query)
        text = await answer.text()
        assert answer.status == 403 and "link that the server printed" in text
        assert TOKEN not in text and "the reviewer" not in text

    visit(TOKEN, steps)


def test_the_token_opens_the_door_once_and_leaves_the_address_line():
    async def steps(client: TestClient, guard: Guard) -> None:
        answer = await client.get(f"/index.html?token={TOKEN}&a=1", allow_redirects=False)
        assert answer.status == 303 and answer.headers["Location"] == "/index.html?a=1"
        cookie = answer.cookies[COOKIE]
        assert cookie["httponly"] and cookie["samesite"] == "Strict"
        assert (await client.get("/index.html", cookies={COOKIE: TOKEN})).status == 200
        assert (await client.get("/index.html", cookies={COOKIE: TOKEN + "x"})).status == 403

    visit(TOKEN, steps)


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_a_page_from_elsewhere_cannot_connect(origin: dict[str, str]):
    async def steps(client: TestClient, guard: Guard) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/ws", headers=origin)
        assert refused.value.status == 403
        own_page = await client.ws_connect("/ws", headers=own(client))
        await own_page.close()

    visit(None, steps)


def test_a_websocket_needs_the_token_too():
    async def steps(client: TestClient, guard: Guard) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/ws", headers=own(client))
        await (await client.ws_connect("/ws", headers={**own(client), "Cookie": f"{COOKIE}={TOKEN}"})).close()

    visit(TOKEN, steps)


def test_a_second_browser_is_told_and_can_take_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "RELOAD_S", 0.15)

    async def steps(client: TestClient, guard: Guard) -> None:
        first = await client.ws_connect("/ws", headers=own(client))
        busy = await client.get("/index.html")
        assert busy.status == 409 and "Another browser" in await busy.text()
        assert (await client.get("/x.js")).status == 200
        taken = await client.get("/index.html?take-over")
        assert (taken.status, await taken.text()) == (200, "the reviewer")
        assert (await first.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert guard.open == 0

    visit(None, steps)


def test_a_page_that_is_loaded_again_is_not_taken_for_a_second_one():
    async def steps(client: TestClient, guard: Guard) -> None:
        before = await client.ws_connect("/ws", headers=own(client))
        again = asyncio.ensure_future(client.get("/index.html"))
        await asyncio.sleep(0.1)
        await before.close()
        assert (await again).status == 200

    visit(None, steps)


def test_a_token_is_long_and_new_each_time():
    assert len({new_token() for _ in range(50)}) == 50 and min(len(new_token()) for _ in range(50)) >= 32


@pytest.mark.parametrize(("host", "alone"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_only_loopback_is_taken_for_this_machine(host: str, alone: bool):
    assert is_loopback(host) is alone
