"""The server's application: scene, page and what joins them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trame_client
from aiohttp import web
from trame.app import TrameApp
from trame_slicer import module as trame_slicer_module
from trame_slicer.core import SlicerApp
from trame_slicer.rca_view import register_rca_factories
from vtkmodules.vtkCommonCore import vtkLogger, vtkObject

from ONFHAssistLib.web.guard import Guard, is_loopback
from ONFHAssistLib.web.logic import PageLogic
from ONFHAssistLib.web.memory import be_frugal
from ONFHAssistLib.web.style import TOO_OLD
from ONFHAssistLib.web.ui import PageUI
from ONFHAssistLib.web.ui_views import ViewsUI

TELL_S = 0.3
"""So long the page that is taken over has to hear of it."""


class ReviewerApp(TrameApp):
    """One reader's server."""

    def __init__(
        self, python: str, place: Path, state: Path, cases: Path, server: object = None, verbose: bool = False
    ) -> None:
        """Build scene and page; raises InputError where the folder cannot be used.

        Args:
            python: runs the worker.
            place: folder of studies, or one study.
            state: folder for drafts.
            cases: folder for cases that were signed.
            server: trame's server or its name; None for a new one.
            verbose: let VTK's warnings through to the terminal.
        """
        be_frugal()
        super().__init__(server)
        self.server.enable_module(trame_slicer_module)
        self.slicer_app = SlicerApp()
        if not verbose:
            quieten_vtk()
        views = ViewsUI()
        register_rca_factories(
            self.slicer_app.view_manager,
            self.server,
            slice_view_ui_f=views.over_slice,
            three_d_view_ui_f=views.over_3d,
        )
        self.server.state["trame__title"] = "ONFHAssist"
        self.logic = PageLogic(self.server, self.slicer_app, python, place, state, cases)
        self.page = PageUI(self.server, self.logic.layout_manager, views)
        self.logic.set_ui(self.page)

    def run(
        self,
        host: str,
        port: int,
        token: str,
        ready: Callable[[Guard], None],
        open_first: bool = False,
        ahead: bool = True,
        timeout_s: int = 0,
    ) -> None:
        """Listen until Ctrl-C; ``ready`` is called once browsers can connect; the others: see `start`."""
        self.server.controller.on_server_ready.add(lambda **_: ready(self.guard))
        try:
            self.start(host, port, token, open_first=open_first, ahead=ahead, timeout_s=timeout_s)
        finally:
            self.logic.training.close()
            self.logic.session.end()

    def start(
        self,
        host: str,
        port: int,
        token: str,
        exec_mode: str = "main",
        open_first: bool = False,
        ahead: bool = True,
        timeout_s: int = 0,
    ) -> Awaitable | None:
        """Listen; with the mode "coroutine" what is returned has to be awaited.

        Args:
            host: address to listen at.
            port: a free one.
            token: what browsers have to bring.
            exec_mode: of trame's server.
            open_first: open the first study of the list, and analyse it where that has not been done.
            ahead: analyse the others meanwhile.
            timeout_s: end so long after the last browser has gone; 0: never.
        """

        def bind(web_server: Any) -> None:
            async def hang_up() -> None:
                with self.server.state:
                    self.logic.data.taken = True
                await asyncio.sleep(TELL_S)
                for handler in web_server._ws_handlers:
                    for connection in list(handler.connections.values()):
                        await connection.close()

            self.guard = Guard(token, hang_up, is_loopback(host))
            self.guard.attach(web_server.app)
            web_server.app.middlewares.append(greet)

        self.server.controller.on_server_bind.add(bind)
        self.server.controller.on_server_ready.add(lambda **_: self.logic.start(open_first, ahead))
        self.server.controller.on_client_connected.add(self._connected)
        return self.server.start(
            host=host,
            port=port,
            exec_mode=exec_mode,
            open_browser=False,
            show_connection_info=False,
            timeout=timeout_s,
        )

    def _connected(self, **_: object) -> None:
        with self.server.state as state:
            self.logic.data.taken = False
            state.flush()
        for view in self.slicer_app.view_manager.get_views():
            view.schedule_render()


@web.middleware
async def greet(request: web.Request, handler: Callable) -> web.StreamResponse:
    """Give trame's page with words for a browser that is too old for it."""
    if request.method != "GET" or request.path not in ("/", "/index.html"):
        return await handler(request)
    page = (Path(trame_client.__file__).parent / "module" / "vue3-www" / "index.html").read_text(encoding="utf-8")
    text = page.replace("<head>", f"<head>{TOO_OLD}", 1).replace("trame is built by Kitware", "ONFHAssist", 1)
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def quieten_vtk() -> None:
    """Keep VTK's warnings from the user's terminal: none of them asks for something that they could do."""
    vtkObject.GlobalWarningDisplayOff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
