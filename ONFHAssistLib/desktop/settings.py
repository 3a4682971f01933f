"""What a user sets once: folder of the cases, reviewer's code, device. Kept by Slicer, edited on a settings page."""

from dataclasses import dataclass
from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.models.engine import DEVICES, ENGINES
from ONFHAssistLib.reviewer.analysing import HOW, Chosen
from ONFHAssistLib.systems import OWN, those_known

FOLDER, REVIEWER, DEVICE = "ONFHAssist/CaseFolder", "ONFHAssist/Reviewer", "ONFHAssist/Device"
SYSTEMS, ENGINE = "ONFHAssist/Systems", "ONFHAssist/Engine"
TRAINING_PYTHON, TRAINING_CLONE = "ONFHAssist/TrainingPython", "ONFHAssist/TrainingClone"


@dataclass(frozen=True)
class Settings:
    """The settings as they are now.

    Attributes:
        folder: where "Save case" writes.
        reviewer: a code, not a name; may be empty.
        device, engine: where and by what the networks run, of `models.engine.DEVICES` and ENGINES.
        training_python, training_clone: program of the training environment, and folder of the project's sources;
            both may be empty.
        systems: ids of those that the next analysis takes; at least one.
    """

    folder: Path
    reviewer: str
    device: str
    training_python: str = ""
    training_clone: str = ""
    systems: tuple[str, ...] = (OWN,)
    engine: str = ENGINES[0]


def read_settings() -> Settings:
    """Return the settings of this user."""
    device, engine = slicer.util.settingsValue(DEVICE, ""), slicer.util.settingsValue(ENGINE, "")
    folder = slicer.util.settingsValue(FOLDER, "") or str(default_folder())
    reviewer, python, clone = (
        (slicer.util.settingsValue(name, "") or "").strip() for name in (REVIEWER, TRAINING_PYTHON, TRAINING_CLONE)
    )
    return Settings(
        Path(folder),
        reviewer,
        device if device in DEVICES else DEVICES[0],
        python,
        clone,
        those_known((slicer.util.settingsValue(SYSTEMS, "") or "").split()),
        engine if engine in ENGINES else ENGINES[0],
    )


def chosen() -> Chosen:
    """Return what the next analysis takes."""
    settings = read_settings()
    return Chosen(settings.systems, settings.device, settings.engine)


def keep_reviewer(code: str) -> None:
    """Remember the reviewer's code for the next case."""
    slicer.app.userSettings().setValue(REVIEWER, code)


def keep_systems(systems: tuple[str, ...]) -> None:
    """Remember which systems the next analysis takes."""
    slicer.app.userSettings().setValue(SYSTEMS, " ".join(systems))


def default_folder() -> Path:
    """Return the folder of the cases where none has been chosen."""
    return Path.home() / "ONFHAssist cases"


def thresholds() -> list[tuple[str, str]]:
    """Return what the grades are decided by, as (grading, limits) in words; for reading only."""
    return [(grading.short, grading.limits) for grading in GRADINGS.values() if grading.limits]


class SettingsPanel(ctk.ctkSettingsPanel):
    """Edit > Application Settings > ONFHAssist."""

    def __init__(self, *args, **kwargs) -> None:
        """Build the page; ctkSettingsPanel reads and keeps the values."""
        ctk.ctkSettingsPanel.__init__(self, *args, **kwargs)
        form = qt.QFormLayout(self)
        self.folder = ctk.ctkPathLineEdit()
        self.folder.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable
        self.folder.setCurrentPath(str(default_folder()))
        self.folder.toolTip = _("Reviewed cases are written here. Choose a folder that only your group can read.")
        form.addRow(_("Folder of the cases:"), self.folder)
        self.registerProperty(FOLDER, self.folder, "currentPath", str(qt.SIGNAL("currentPathChanged(QString)")))

        self.reviewer = qt.QLineEdit()
        self.reviewer.toolTip = _("A code, not a name: letters, digits, - and _")
        form.addRow(_("Reviewer:"), self.reviewer)
        self.registerProperty(REVIEWER, self.reviewer, "text", str(qt.SIGNAL("textChanged(QString)")))

        self.device, self.engine = ctk.ctkComboBox(), ctk.ctkComboBox()
        for how, key, box in zip(HOW, (DEVICE, ENGINE), (self.device, self.engine), strict=True):
            box.toolTip = how.tip
            for name, text in how.names.items():
                box.addItem(text, name)
            form.addRow(f"{how.caption}:", box)
            self.registerProperty(key, box, "currentUserDataAsString", str(qt.SIGNAL("currentIndexChanged(int)")))

        self.trainingPython, self.trainingClone = qt.QLineEdit(), qt.QLineEdit()
        for key, field, caption, tip in (
            (
                TRAINING_PYTHON,
                self.trainingPython,
                _("Python of the training environment:"),
                _('The program python of an environment with the project\'s extra "train"; needed for Fine-tune only.'),
            ),
            (
                TRAINING_CLONE,
                self.trainingClone,
                _("Clone of the project:"),
                _("The folder with ONFHAssist's sources, which holds the folder training; needed for Fine-tune only."),
            ),
        ):
            field.toolTip = tip
            form.addRow(caption, field)
            self.registerProperty(key, field, "text", str(qt.SIGNAL("textChanged(QString)")))

        for name, limits in thresholds():
            label = qt.QLabel(limits)
            label.wordWrap = True
            label.toolTip = _("Published definitions; they cannot be changed.")
            form.addRow(f"{name}:", label)


def add_settings_panel() -> SettingsPanel | None:
    """Add the page to Slicer's settings dialog. Keep what is returned; None where there is no main window."""
    if slicer.app.commandOptions().noMainWindow:
        return None
    panel = SettingsPanel()
    slicer.app.settingsDialog().addPanel("ONFHAssist", panel)
    return panel
