"""What the page does: each signal of `ui` meets session and scene, and the page is told what has become of it."""

import asyncio
from dataclasses import asdict, replace
from pathlib import Path

from trame_server import Server
from trame_slicer.app.logic import BaseLogic
from trame_slicer.core import LayoutManager, SlicerApp

from ONFHAssistLib.core.outside import shown as shown_text
from ONFHAssistLib.reviewer.analysing import replaces_corrections
from ONFHAssistLib.reviewer.study import study_line, volumes_only
from ONFHAssistLib.reviewer.systems import choices, those_for, variable_fields, with_variable
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_cases import CasesLogic
from ONFHAssistLib.web.logic_editor import EditorLogic
from ONFHAssistLib.web.logic_hips import HipsLogic
from ONFHAssistLib.web.logic_training import TrainingLogic
from ONFHAssistLib.web.logic_views import ViewsLogic
from ONFHAssistLib.web.logic_worklist import WorklistLogic
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState, system_lines
from ONFHAssistLib.web.ui import PageUI
from ONFHAssistLib.worker.client import Worker, serve_command, serve_environment


class PageLogic(BaseLogic[PageState]):
    """Joins a page, a session and a scene; one reader at a time."""

    def __init__(
        self, server: Server, slicer_app: SlicerApp, python: str, place: Path, state: Path, cases: Path
    ) -> None:
        """Look through the folder; raises InputError where that is not possible."""
        super().__init__(server, slicer_app, PageState)
        worker = Worker(serve_command(python), serve_environment())
        self.session = Session(self.scene, worker, place, state)
        self.session.on_change = self.show
        self.session.on_study = self._begin
        worker.warm_up()
        data, act = self.data, Actions(server.state, self.session, self.show)
        self._act = act
        self.worklist = WorklistLogic(self.session, data, act)
        self.views = ViewsLogic(server, slicer_app, self.session, data, act)
        self.editor = EditorLogic(server, slicer_app, self.session, data, act, self.views)
        self.training = TrainingLogic(self.session, data, act, self.show, cases)
        self.cases = CasesLogic(self.session, data, act, lambda: self.training.found)
        self.hips = HipsLogic(self.session, data, act, self.views, self.editor, self.cases, cases)
        self.hips.signing.on_saved = self.cases.on_withdrawn = self.training.look
        data.place = shown_text(str(place))
        self.bind_changes(
            {
                self.name.words: self._words_typed,
                self.name.ahead: self._ahead_switched,
                self.name.reviewer: lambda reviewer: setattr(self.session, "reviewer", (reviewer or "").strip()),
                self.name.comment: lambda comment: self.session.set_comment(comment or ""),
            }
        )

    @property
    def layout_manager(self) -> LayoutManager:
        """What the page builds the views with."""
        return self.views.layout_manager

    def set_ui(self, ui: PageUI) -> None:
        """Connect the page's signals."""
        ui.analyse_clicked.connect(self.analyse)
        ui.cancel_clicked.connect(self._act.now(self.session.run.cancel))
        ui.draft_forgotten.connect(self._act.now(self._forget_draft))
        ui.message_closed.connect(self._act.now(lambda: None))
        ui.key_pressed.connect(self.press)
        session = self.session
        for signal, changed in (
            (ui.systems.chosen, lambda systems: session.chosen.with_systems(systems, session.study)),
            (ui.device_chosen, lambda device: replace(session.chosen, device=device)),
            (ui.engine_chosen, lambda engine: replace(session.chosen, engine=engine)),
        ):
            signal.connect(self._act.now(lambda given, changed=changed: session.choose(changed(given))))
        ui.systems.given.connect(self._act.now(self._give))
        self.worklist.set_ui(ui.worklist)
        ui.worklist.refresh_clicked.connect(self.training.look)
        self.views.set_ui(ui.views)
        self.editor.set_ui(ui.editor)
        self.hips.set_ui(ui.hips)
        self.cases.set_ui(ui.cases)
        self.training.set_ui(ui.training)
        ui.training.next_clicked.connect(self.cases.open_next)
        self.show()

    def start(self, open_first: bool, ahead: bool) -> None:
        """Begin, once the event loop runs; ``open_first`` analyses the first study of the list, too."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: self._act.failed(told["exception"]) if "exception" in told else None)
        self.data.ahead = self.session.ahead.wanted = ahead
        self.session.start()
        self.training.look()

        async def first() -> None:
            await self.session.open(self.session.rows[0].entry.key)
            if self.session.review is None:
                await self.session.analyse()

        if open_first and self.session.rows:
            self._act.start(first())
        self.show()

    def analyse(self) -> None:
        """Analyse the open study."""
        self.data.again = False
        self._act.start(self.session.analyse())

    def press(self, key: str) -> None:
        """Do what a key stands for."""
        views, editor, session = self.views, self.editor, self.session
        keys = {
            "[": lambda: views.step(-1),
            "]": lambda: views.step(1),
            "1": lambda: self.hips.choose_side("right"),
            "2": lambda: self.hips.choose_side("left"),
            "f": lambda: views.enlarge("Coronal"),
            "h": views.toggle_masks,
            "l": views.toggle_labels,
            "w": lambda: editor.take("window"),
            "p": lambda: editor.take("paint"),
            "e": lambda: editor.take("erase"),
            "d": lambda: editor.take("draw"),
            "x": lambda: editor.take("scissors"),
            "n": lambda: editor.choose_segment("necrosis"),
            "b": lambda: editor.choose_segment("head"),
            "-": lambda: editor.resize_brush(-1),
            "+": lambda: editor.resize_brush(1),
            "escape": lambda: editor.take(""),
            "ctrl+z": session.undo,
            "ctrl+y": session.redo,
            "?": lambda: setattr(self.data, "help", True),
            "m": self.hips.turn_reviewed,
            "arrowup": lambda: self._step(-1),
            "arrowdown": lambda: self._step(1),
            "ctrl+enter": session.with_hips,  # where there is nothing to sign, the reader is told why
        }
        if key in keys:
            self._act.now(keys[key])()

    def show(self) -> None:
        """Tell the page how things stand."""
        session, data = self.session, self.data
        with self.state:
            data.current = session.entry.key if session.entry else ""
            data.title = session.entry.title if session.entry else ""
            data.study = study_line(session.study, session.review) if session.study else ""
            data.form = session.study.form if session.study else "volume"
            data.volumes_only = volumes_only(session.study.source) if session.study else ""
            data.stage, data.fraction, data.analysing = session.stage, session.run.fraction, not session.run.idle
            data.corrected = replaces_corrections(session.review)
            data.message, data.alarm = session.message, session.alarm
            data.restored = session.restored
            chosen, wanted = session.chosen, those_for(session.chosen.systems, session.study)
            data.systems = system_lines(choices(chosen.systems, session.study, session.patient))
            data.variables = [asdict(one) for one in variable_fields(wanted, session.patient)]
            data.chosen, data.device, data.engine = list(wanted), chosen.device, chosen.engine
            self.worklist.show()
            self.hips.show()
            self.training.show()
            self.cases.show()

    def _begin(self) -> None:
        """Put another study, or its new review, into the views."""
        self.editor.take("")
        self.data.masks = True
        self.cases.begin()
        self.views.arrange()
        if self.session.volume_node is not None:
            self.hips.begin()
        self.show()

    def _forget_draft(self) -> None:
        self.session.forget_draft()
        self.data.comment = self.session.opened().sign_off(self.data.side).comment

    def _give(self, name: str, text: str) -> None:
        self.session.patient = with_variable(self.session.patient, name, text)

    def _step(self, direction: int) -> None:
        (self.cases if self.data.listing == "cases" else self.worklist).step(direction)

    def _words_typed(self, *_: object) -> None:
        self.worklist.show()
        self.cases.show()

    def _ahead_switched(self, wanted: bool) -> None:
        self.session.ahead.wanted = bool(wanted)
