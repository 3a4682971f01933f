"""What the list of studies does; mirrors `ui_worklist`."""

from ONFHAssistLib.web import worklist
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState, study_lines
from ONFHAssistLib.web.ui_worklist import WorklistUI


class WorklistLogic:
    """Joins the list on the page and the session's folder."""

    def __init__(self, session: Session, data: PageState, act: Actions) -> None:
        """Take what it joins; ``data`` is the page's state."""
        self._session, self._data, self._act = session, data, act

    def set_ui(self, ui: WorklistUI) -> None:
        """Connect the signals."""
        ui.study_chosen.connect(self.open)
        ui.refresh_clicked.connect(self._act.now(self._session.folder.look_through))

    def open(self, key: str) -> None:
        """Open a study."""
        self._act.start(self._session.open(key))

    def step(self, direction: int) -> None:
        """Open the next or the previous study of the list as it is shown."""
        listed = [study["key"] for study in self._data.studies]
        if not listed:
            return
        at = listed.index(self._data.current) + direction if self._data.current in listed else 0
        if 0 <= at < len(listed):
            self.open(listed[at])

    def show(self) -> None:
        """Bring the list up to date."""
        session = self._session
        self._data.studies = study_lines(worklist.matching(session.rows, self._data.words or ""))
        self._data.ahead_title = session.ahead.entry.title if session.ahead.entry else ""
        self._data.unkept = session.folder.unkept
