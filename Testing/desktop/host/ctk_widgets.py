"""Stand-ins for the widgets of CTK that a module may use, made of plain Qt widgets."""

from PySide6.QtCore import Property, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QSlider,
    QTextBrowser,
    QToolButton,
    QWidget,
)

from . import pythonqt

HEADER_HEIGHT = 24


class ctkCollapsibleButton(QAbstractButton):
    """A header whose click shows or hides what is laid out below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments):
        super().__init__(*[a for a in arguments if isinstance(a, QWidget)])
        if arguments and isinstance(arguments[0], str):
            self.setText(arguments[0])
        self._collapsed, self._shown_children = False, []
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(lambda on: self._collapse(not on))
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Preferred)

    def _collapse(self, on: bool):
        if on == self._collapsed:
            return
        self._collapsed = on
        children = self.findChildren(QWidget, options=Qt.FindDirectChildrenOnly)
        if on:
            self._shown_children = [child for child in children if not child.isHidden()]
            for child in self._shown_children:
                child.hide()
        else:
            for child in self._shown_children:
                child.show()
        self.setChecked(not on)
        self.updateGeometry()
        self.contentsCollapsed.emit(on)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)

    def sizeHint(self):
        open_and_full = self.layout() is not None and not self._collapsed
        return self.layout().totalSizeHint() if open_and_full else QSize(0, HEADER_HEIGHT)

    def minimumSizeHint(self):
        open_and_full = self.layout() is not None and not self._collapsed
        return self.layout().totalMinimumSize() if open_and_full else QSize(0, HEADER_HEIGHT)

    def hasHeightForWidth(self):
        return self.layout() is not None and not self._collapsed and self.layout().hasHeightForWidth()

    def heightForWidth(self, width: int) -> int:
        return self.layout().totalHeightForWidth(width)

    def paintEvent(self, _event):
        painter = QPainter(self)
        painter.fillRect(0, 0, self.width(), HEADER_HEIGHT, self.palette().midlight())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(8, 17, f"{'▸' if self._collapsed else '▾'} {self.text()}")

    def hitButton(self, position):
        return position.y() < HEADER_HEIGHT


class ctkCollapsibleGroupBox(QGroupBox):
    """A group box that a click on its title folds."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._collapsed = False
        self.setCheckable(True)
        self.toggled.connect(lambda on: self._collapse(not on))

    def _collapse(self, on: bool):
        self._collapsed = on
        for child in self.findChildren(QWidget, options=Qt.FindDirectChildrenOnly):
            child.setVisible(not on)
        if self.isChecked() == on:
            self.setChecked(not on)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)


class _PathWidget(QWidget):
    """A line for a path with a button beside it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._line, self._button = QLineEdit(), QToolButton(text="…")
        row.addWidget(self._line)
        row.addWidget(self._button)
        self._button.clicked.connect(lambda: self.browse())


class ctkPathLineEdit(_PathWidget):
    """A line for the path of a file or folder."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    # QDir's filters, under the names that CTK gives them
    Files, Dirs, Drives, Readable, Writable, Executable = 2, 1, 4, 0x10, 0x20, 0x40

    def __init__(self, parent=None):
        super().__init__(parent)
        self._line.textChanged.connect(self.currentPathChanged)

    def setCurrentPath(self, path: str):
        self._line.setText(path)

    currentPath = Property(str, lambda self: self._line.text(), setCurrentPath)

    def browse(self):
        folders = int(self.property("filters") or self.Files) & self.Dirs
        name = "getExistingDirectory" if folders else "getOpenFileName"
        path = pythonqt.dialogs.run_static("QFileDialog", name, [self, "", self.currentPath])
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self):
        """The history of paths is not imitated."""


class ctkDirectoryButton(QWidget):
    """A button that shows a folder and asks for another one."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)
    ShowDirsOnly = QFileDialog.Option.ShowDirsOnly

    def __init__(self, *arguments):
        super().__init__(*[a for a in arguments if isinstance(a, QWidget)])
        self._directory, self._caption = "", ""
        self._button = QPushButton()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)
        self._button.clicked.connect(lambda: self.browse())

    def _set(self, path: str):
        changed = path != self._directory
        self._directory = path
        self._button.setText(path)
        if changed:
            self.directoryChanged.emit(path)

    directory = Property(str, lambda self: self._directory, _set)

    def browse(self):
        path = pythonqt.dialogs.run_static("QFileDialog", "getExistingDirectory", [self, "", self._directory])
        if path:
            self._set(path)
            self.directorySelected.emit(path)


class ctkSliderWidget(QWidget):
    """A slider and a spin box for one number."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)
    STEPS = 1000

    def __init__(self, *arguments):
        super().__init__(*[a for a in arguments if isinstance(a, QWidget)])
        self._slider, self._spin = QSlider(Qt.Horizontal), QDoubleSpinBox()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._spin)
        self._slider.setRange(0, self.STEPS)
        self._slider.valueChanged.connect(self._from_slider)
        self._spin.valueChanged.connect(self._from_spin)

    def _from_slider(self, step: int):
        low, high = self._spin.minimum(), self._spin.maximum()
        self._spin.setValue(low + (high - low) * step / self.STEPS)

    def _from_spin(self, value: float):
        self._show_on_slider()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _show_on_slider(self):
        low, high = self._spin.minimum(), self._spin.maximum()
        self._slider.blockSignals(True)
        self._slider.setValue(round(self.STEPS * (self._spin.value() - low) / ((high - low) or 1)))
        self._slider.blockSignals(False)

    def _set_minimum(self, value: float):
        self._spin.setMinimum(value)
        self._show_on_slider()

    def _set_maximum(self, value: float):
        self._spin.setMaximum(value)
        self._show_on_slider()

    def setValue(self, value: float):
        self._spin.setValue(value)

    def setDecimals(self, count: int):
        self._spin.setDecimals(count)
        self.decimalsChanged.emit(count)

    value = Property(float, lambda self: self._spin.value(), setValue)
    minimum = Property(float, lambda self: self._spin.minimum(), _set_minimum)
    maximum = Property(float, lambda self: self._spin.maximum(), _set_maximum)
    singleStep = Property(
        float, lambda self: self._spin.singleStep(), lambda self, step: self._spin.setSingleStep(step)
    )
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals)
    suffix = Property(str, lambda self: self._spin.suffix(), lambda self, text: self._spin.setSuffix(text))
    prefix = Property(str, lambda self: self._spin.prefix(), lambda self, text: self._spin.setPrefix(text))
    tracking = Property(bool, lambda self: self._slider.hasTracking(), lambda self, on: self._slider.setTracking(on))


class ctkDoubleSpinBox(QWidget):
    """A spin box with decimals."""

    valueChanged = Signal(float)
    editingFinished = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._spin = QDoubleSpinBox()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._spin)
        self._spin.valueChanged.connect(self.valueChanged)
        self._spin.editingFinished.connect(self.editingFinished)

    def setValue(self, value: float):
        self._spin.setValue(value)

    value = Property(float, lambda self: self._spin.value(), setValue)
    minimum = Property(float, lambda self: self._spin.minimum(), lambda self, v: self._spin.setMinimum(v))
    maximum = Property(float, lambda self: self._spin.maximum(), lambda self, v: self._spin.setMaximum(v))
    singleStep = Property(float, lambda self: self._spin.singleStep(), lambda self, v: self._spin.setSingleStep(v))
    decimals = Property(int, lambda self: self._spin.decimals(), lambda self, v: self._spin.setDecimals(v))
    suffix = Property(str, lambda self: self._spin.suffix(), lambda self, v: self._spin.setSuffix(v))


class ctkPushButton(QPushButton):
    """CTK's push button."""


class ctkCheckablePushButton(QPushButton):
    """CTK's push button with a check box in it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._controls = False

    checkBoxControlsButtonToggleState = Property(
        bool, lambda self: self._controls, lambda self, on: setattr(self, "_controls", on)
    )


class ctkMenuButton(QPushButton):
    """CTK's push button with a menu."""


class ctkExpandButton(QToolButton):
    """CTK's arrow that expands or folds."""


class ctkComboBox(QComboBox):
    """CTK's combo box: the data of its entry as a text."""

    def _select_data(self, text: str):
        self.setCurrentIndex(self.findData(text))

    currentUserDataAsString = Property(str, lambda self: str(self.currentData() or ""), _select_data)


class ctkCheckBox(QCheckBox):
    """CTK's check box."""


class ctkFittedTextBrowser(QTextBrowser):
    """CTK's text that takes the height it needs at its width."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)
        self.textChanged.connect(self.updateGeometry)

    def heightForWidth(self, width: int) -> int:
        document, frame = self.document(), 2 * self.frameWidth()
        before = document.textWidth()
        document.setTextWidth(width - frame)
        height = document.documentLayout().documentSize().height() + frame
        document.setTextWidth(before)
        line = QFontMetrics(document.defaultFont()).lineSpacing() + frame
        bar = self.horizontalScrollBar()
        return int(max(height, line)) + (bar.height() + frame if bar.isVisible() else 0)

    def minimumSizeHint(self):
        width = self.width()
        return QSize(width, self.heightForWidth(width)) if width else super().minimumSizeHint()

    def sizeHint(self):
        return self.minimumSizeHint()

    def resizeEvent(self, event):
        super().resizeEvent(event)
        if event.size().height() != self.heightForWidth(event.size().width()):
            self.updateGeometry()


class ctkMessageBox(QMessageBox):
    """CTK's message box with "don't show again"."""


class ctkSettingsPanel(QWidget):
    """A page of the application's settings: properties of widgets kept under keys."""

    settingChanged = Signal(str, object)
    OptionNone, OptionRequireRestart = 0, 1

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._registered, self._settings = {}, QSettings()

    settings = Property(object, lambda self: self._settings, lambda self, value: setattr(self, "_settings", value))

    def registerProperty(self, key: str, widget, name: str, signal, label: str = "", options: int = 0, settings=None):
        """As ctkSettingsPanel: what is kept goes into the widget at once, what the user changes is kept at once."""
        settings = settings or self._settings
        self._registered[key] = (widget, name, settings)
        instance = pythonqt.wrap(widget)
        if settings.contains(key):
            setattr(instance, name, settings.value(key))
        else:
            settings.setValue(key, pythonqt.unwrap(getattr(instance, name)))
        text = signal if isinstance(signal, str) else bytes(signal).decode()
        if not text.startswith("2"):
            raise TypeError(f"registerProperty wants a signal as SIGNAL() gives it, '2{text}', and got '{text}'")

        def changed():
            value = pythonqt.unwrap(getattr(instance, name))
            settings.setValue(key, value)
            self.settingChanged.emit(key, value)

        instance.connect(text[1:], changed)


CTK_CLASSES = {
    cls.__name__: cls
    for cls in (
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkPathLineEdit,
        ctkDirectoryButton,
        ctkSliderWidget,
        ctkDoubleSpinBox,
        ctkPushButton,
        ctkCheckablePushButton,
        ctkMenuButton,
        ctkExpandButton,
        ctkComboBox,
        ctkCheckBox,
        ctkFittedTextBrowser,
        ctkMessageBox,
        ctkSettingsPanel,
    )
}
