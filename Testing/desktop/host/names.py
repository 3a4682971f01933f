"""Which names a class has in Slicer: ``slicer_names.json`` for CTK and Slicer, Qt's own meta-objects for Qt."""

import functools
import json
from pathlib import Path

from PySide6 import QtCore, QtWidgets

NAMES = json.loads((Path(__file__).resolve().parent.parent / "slicer_names.json").read_text(encoding="utf-8"))
# Names of Qt 6 that Slicer may not have: it is also built with Qt 5.15.
QT6_ONLY = {
    "QCheckBox": {"checkStateChanged"},
    "QComboBox": {"LabelDrawingMode", "labelDrawingMode", "setLabelDrawingMode"},
    "QAbstractItemView": {"itemDelegateForIndex", "initViewItemOption", "keyboardSearchFlags", "updateThreshold"},
    "QMessageBox": {"Option", "options", "setOption", "setOptions", "testOption"},
    "QMouseEvent": {"position", "globalPosition", "scenePosition"},
    "QDropEvent": {"position"},
}
# What PySide6 adds to every object, and PythonQt does not have.
PYSIDE_ONLY = {"emit", "receivers", "staticMetaObject", "signature_at"}
# Properties of QWidget that have no function of their name.
WIDGET_PROPERTIES = {
    *(
        "modal",
        "enabled",
        "visible",
        "minimized",
        "maximized",
        "fullScreen",
        "focus",
        "mouseTracking",
        "tabletTracking",
    ),
    *("windowModified", "acceptDrops"),
}
WIDGET_SIGNALS = {
    *("destroyed()", "destroyed(QObject*)", "objectNameChanged(QString)", "windowTitleChanged(QString)"),
    "customContextMenuRequested(QPoint)",
}
WIDGET_SLOTS = {
    *("show()", "hide()", "close()", "update()", "repaint()", "setFocus()", "deleteLater()", "setEnabled(bool)"),
    *("setDisabled(bool)", "setVisible(bool)", "setHidden(bool)", "setStyleSheet(QString)", "setWindowTitle(QString)"),
}


@functools.cache
def slicer_class(qt_class: type) -> dict | None:
    """What is known of the CTK or Slicer class that a class stands in for; None for a class of Qt."""
    return next((NAMES["classes"][cls.__name__] for cls in qt_class.__mro__ if cls.__name__ in NAMES["classes"]), None)


def is_stand_in(qt_class: type) -> bool:
    """Whether it stands in for a class of CTK or Slicer."""
    return slicer_class(qt_class) is not None


def knows(qt_class: type, name: str, qt_object: QtCore.QObject | None = None) -> bool:
    """Whether Slicer's class has this attribute; properties without a getter are known of an object only."""
    if name in PYSIDE_ONLY or is_of_qt6(qt_class, name):
        return False
    listed = slicer_class(qt_class)
    if listed is None:
        return name == "name" or _qt_has(qt_class, name, qt_object)
    return (
        name in ("name", "exec_")
        or name in listed["properties"]
        or name in listed["methods"]
        or any(signal.partition("(")[0] == name for signal in listed["signals"])
        or _qt_has(QtWidgets.QWidget if issubclass(qt_class, QtWidgets.QWidget) else QtCore.QObject, name)
        or (issubclass(qt_class, QtWidgets.QWidget) and name in WIDGET_PROPERTIES)
    )


def is_of_qt6(qt_class: type, name: str) -> bool:
    """Whether only Qt 6 has this name."""
    return any(name in QT6_ONLY.get(cls.__name__, ()) for cls in qt_class.__mro__)


def _qt_has(qt_class: type, name: str, qt_object: QtCore.QObject | None = None) -> bool:
    # staticMetaObject of a class does not live as long as the class, in PySide
    in_meta = qt_object is not None and qt_object.metaObject().indexOfProperty(name) >= 0
    return in_meta or hasattr(qt_class, "exec" if name == "exec_" else name)


def is_property(qt_class: type, name: str) -> bool:
    """Whether Slicer's class lists a property of this name."""
    listed = slicer_class(qt_class)
    return listed is not None and name in listed["properties"]


def signals(qt_class: type, name: str) -> list[str]:
    """The signatures of the signals of a name that are listed for a CTK or Slicer class."""
    listed = slicer_class(qt_class)
    return [] if listed is None else [signal for signal in listed["signals"] if signal.partition("(")[0] == name]


def has_signature(qt_object: QtCore.QObject, signature: str, slot: bool = False) -> bool:
    """Whether the object has a signal (slot) of this normalised signature."""
    listed, name = slicer_class(type(qt_object)), signature.partition("(")[0]
    if is_of_qt6(type(qt_object), name):
        return False
    if slot and listed is not None and name in listed["methods"]:
        return True
    if not slot and listed is not None and signature in listed["signals"]:
        return True
    if listed is None:
        meta = qt_object.metaObject()
        return (meta.indexOfMethod(signature) if slot else meta.indexOfSignal(signature)) >= 0
    return name not in listed["methods"] and signature in (WIDGET_SLOTS if slot else WIDGET_SIGNALS)
