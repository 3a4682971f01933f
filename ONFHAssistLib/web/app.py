"""The server's application: scene, page and what joins them."""

from collections.abc import Callable
from pathlib import Path

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

        def bind(web_server: object) -> None:
            async def hang_up() -> None:
                for handler in web_server._ws_handlers:
                    for connection in list(handler.connections.values()):
                        await connection.close()

            web_server.app.middlewares.append(Guard(token, hang_up).middleware())

        def started(**_: object) -> None:
            ready()
            if open_first:
                self.logic.open_first()

        self.server.controller.on_server_bind.add(bind)
        self.server.controller.on_server_ready.add(started)
        try:
            self.server.start(
                port=port, host=host, open_browser=False, show_connection_info=False, timeout=0, exec_mode="main"
            )
        finally:
            self.logic.session.end()
