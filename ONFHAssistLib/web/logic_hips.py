"""What cards, plot, table and sign-off do; mirrors `ui_hips`."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from ONFHAssistLib.core.findings import About
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.outside import shown as shown_text
from ONFHAssistLib.reviewer.attention import ShownMap
from ONFHAssistLib.reviewer.cards import cards, hip_to_begin_with
from ONFHAssistLib.reviewer.edits import set_radius
from ONFHAssistLib.reviewer.slices import reviewed_line, slice_lines
from ONFHAssistLib.reviewer.study import warnings_of
from ONFHAssistLib.web import state as told
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_cases import CasesLogic
from ONFHAssistLib.web.logic_editor import EditorLogic
from ONFHAssistLib.web.logic_views import ViewsLogic
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.signing import Signing
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.ui_hips import HipsUI

MAP_AFTER_S = 0.8
"""The map of the surface takes longer to draw than all numbers together: it follows when the reader pauses."""


class HipsLogic:
    """Tells the page about the hips.

    Attributes:
        signing: saves them.
    """

    def __init__(
        self,
        session: Session,
        data: PageState,
        act: Actions,
        views: ViewsLogic,
        editor: EditorLogic,
        stored: CasesLogic,
        cases: Path,
    ) -> None:
        """Take what it joins; ``cases`` is the folder that signed cases go to."""
        self._session, self._data, self._act = session, data, act
        self._views, self._editor, self._cases = views, editor, cases
        self.signing = Signing(session, data, act, stored, cases)
        self._looked = ShownMap()
        self._shown: tuple = ()
        self._drawing: asyncio.TimerHandle | None = None

    def set_ui(self, ui: HipsUI) -> None:
        """Connect the signals."""
        ui.side_chosen.connect(self._act.now(self.choose_side))
        ui.slice_chosen.connect(self._act.now(self._views.jump))
        ui.place_chosen.connect(self._act.now(self._views.jump_to))
        ui.look_clicked.connect(self._act.now(self.turn_map))
        ui.radius_given.connect(self._act.now(self.set_radius))
        ui.sign_clicked.connect(self.signing.sign)
        ui.all_reviewed_clicked.connect(self._act.now(self.all_reviewed))

    def begin(self) -> None:
        """Show a study that was opened, or its new review, at its hip with the larger lesion."""
        session, data = self._session, self._data
        assert session.entry is not None and session.study is not None  # it was opened
        data.patient_code = self.signing.code_of(session.entry.key) or session.study.patient.get("id", "")
        self._views.show_whole()
        data.question, data.comment = "", ""
        review = session.review
        if review is None:
            return
        data.side = hip_to_begin_with(review) if review.sides else cards(review)[0].side
        data.comment = next((said for side in review.sides if (said := review.sign_off(side).comment)), "")
        data.signing = [hip["side"] for hip in told.signed_hips(review) if not hip["status"]] or list(review.segmented)
        self._views.show_marks()
        if session.study.form != "volume":
            return
        self._editor.begin()
        self._views.show_hip()
        self._views.set_window()

    def choose_side(self, side: About) -> None:
        """Go to a hip, or open another card of a picture."""
        review = self._session.review
        if review is None or side not in (review.sides or [card.side for card in cards(review)]):
            return
        self._data.side = side
        if side not in review.sides:
            return
        self._editor.edit()
        self._views.show_hip()
        self._views.set_window()

    def turn_map(self, number: int) -> None:
        """Show where a system looked that has found something of the hip in view, or hide it."""
        place = self._looked.turn(self._session.opened(), told.about_of(self._data), number)
        if place is not None:
            self._views.jump_to(place)

    def set_radius(self, radius_mm: float) -> None:
        """Resize the sphere of the hip in view."""
        self._session.change(lambda review: set_radius(review, told.side_of(self._data), float(radius_mm)))

    def turn_reviewed(self) -> None:
        """Mark the slice in view as reviewed, or take its mark away."""
        index = self._views.current_slice()
        if index is not None:
            self._session.change(lambda review: review.turn_reviewed(told.side_of(self._data), index))

    def all_reviewed(self) -> None:
        """Let all slices of the hip in view count as reviewed."""
        self._session.change(lambda review: review.set_reviewed(told.side_of(self._data), None))

    def show(self) -> None:
        """Bring the right column up to date; what has not changed is not made anew."""
        session, data, review = self._session, self._data, self._session.review
        self._looked.follow(review)
        data.analysed = review is not None
        data.hips = told.signed_hips(review)
        data.can_undo, data.can_redo = (review.can_undo, review.can_redo) if review else (False, False)
        data.reviewer = data.reviewer or session.reviewer
        data.warnings = list(warnings_of(session.study.notices if session.study else (), review))
        stored = session.stored
        data.cases = f"saved in {Path(stored.folder).name if stored else self._cases.name}"
        data.cases_title = shown_text(stored.folder if stored else str(self._cases))
        hips = [review.hip(side) for side in review.sides] if review else []
        side = told.side_of(data) if review and data.side in review.sides else SIDES[0]
        known = review if review is not None and side in review.sides else None
        reviewed = known.reviewed(side) if known else None
        data.reviewed = reviewed_line(known, side) if known else ""
        data.marked = reviewed is not None
        data.legend = told.legend(review, data.reading >= 0, bool(self._looked))
        looked = self._looked.number(review, told.about_of(data)) if review else None
        data.looked = -1 if looked is None else looked
        shown = (review, data.side, data.reading, reviewed, *hips)
        if len(shown) == len(self._shown) and all(a is b or a == b for a, b in zip(shown, self._shown, strict=True)):
            return
        if self._shown[:2] != shown[:2]:
            data.polar = ""  # that of another hip, or of another patient
        self._shown = shown
        data.cards = told.hip_cards(review) if review else []
        data.slices = [asdict(line) for line in slice_lines(known, side)] if known else []
        data.plot = told.plot_lines(known, side) if known else {}
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        if known:
            self._drawing = asyncio.get_running_loop().call_later(MAP_AFTER_S, self._draw_map)
        else:
            data.polar = ""

    def _draw_map(self) -> None:
        self._drawing = None
        self._act.start(self._map(), quiet=True)

    async def _map(self) -> None:
        session, data = self._session, self._data
        review, side = session.review, told.side_of(data)
        graded = review is not None and side in review.sides and review.hip(side).status == "graded"
        masks = review.masks(side) if review and graded else None  # an empty map would tell of a sound head
        drawn = await asyncio.to_thread(told.polar_picture, masks) if masks else ""
        if session.review is review and data.side == side:
            data.polar = drawn
