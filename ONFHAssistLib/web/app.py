"""The server's application: scene, page and what joins them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from trame.app import TrameApp
from trame_slicer import module as trame_slicer_module
from trame_slicer.core import SlicerApp
from trame_slicer.rca_view import register_rca_factories

from ONFHAssistLib.web.guard import Guard
from ONFHAssistLib.web.logic import PageLogic
from ONFHAssistLib.web.ui import PageUI


class ReviewerApp(TrameApp):
    """One reader's server."""

    def __init__(self, python: str, place: Path, state: Path, cases: Path, server: object = None) -> None:
        """Build scene and page; raises InputError where the folder cannot be used."""
        super().__init__(server)
        self.server.enable_module(trame_slicer_module)
        self.slicer_app = SlicerApp()
        register_rca_factories(self.slicer_app.view_manager, self.server)
        self.server.state["trame__title"] = "ONFHAssist"
        self.logic = PageLogic(self.server, self.slicer_app, python, place, state, cases)
        self.page = PageUI(self.server, self.logic.layout_manager)
        self.logic.set_ui(self.page)

    def run(self, host: str, port: int, token: str | None, ready: Callable[[], None], open_first: bool) -> None:
        """Listen until Ctrl-C; ``ready`` is called once browsers can connect."""

        def started(**_: object) -> None:
            ready()
            if open_first:
                self.logic.open_first()

        self.server.controller.on_server_ready.add(started)
        try:
            self.start(host, port, token)
        finally:
            self.logic.session.end()

    def start(self, host: str, port: int, token: str | None, exec_mode: str = "main") -> Awaitable | None:
        """Listen; with the mode "coroutine" what is returned has to be awaited."""

        def bind(web_server: Any) -> None:
            async def hang_up() -> None:
                for handler in web_server._ws_handlers:
                    for connection in list(handler.connections.values()):
                        await connection.close()

            web_server.app.middlewares.append(Guard(token, hang_up).middleware())

        self.server.controller.on_server_bind.add(bind)
        return self.server.start(
            host=host, port=port, exec_mode=exec_mode, open_browser=False, show_connection_info=False, timeout=0
        )
