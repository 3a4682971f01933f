"""Reader of Qt Designer's .ui files: makes the host's widgets and refuses names that do not exist."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt

DYNAMIC_PROPERTIES = ("SlicerParameterName", "SlicerPackParameterName")
LAYOUTS = ("QVBoxLayout", "QHBoxLayout", "QGridLayout", "QFormLayout", "QStackedLayout")


class UiFile:
    """One reading of one file."""

    def __init__(self, classes: dict[str, type]):
        self._classes, self._by_name = classes, {}
        self._buddies: list[tuple[QtWidgets.QLabel, str]] = []

    def load(self, path: str) -> QtWidgets.QWidget:
        """The widget that the file describes, with its children, buddies, tab order and connections."""
        root = ElementTree.parse(path).getroot()
        declared = {custom.findtext("class") for custom in root.iter("customwidget")}
        widget = self._widget(root.find("widget"), None, declared)
        for label, name in self._buddies:
            label.setBuddy(self._named(name))
        stops = [self._named(stop.text) for stop in root.iterfind("tabstops/tabstop")]
        for first, second in pairwise(stops):
            QtWidgets.QWidget.setTabOrder(first, second)
        for connection in root.iterfind("connections/connection"):
            sender, signal, receiver, slot = (
                connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")
            )
            pythonqt.wrap(self._named(sender)).connect(signal, pythonqt.wrap(self._named(receiver)), slot)
        return widget

    def _named(self, name: str) -> QtCore.QObject:
        if name not in self._by_name:
            raise ValueError(f"the .ui file names '{name}', which is no widget of it")
        return self._by_name[name]

    def _widget(self, element, parent, declared: set[str]):
        class_name, name = element.get("class"), element.get("name")
        if class_name in self._classes:
            if class_name not in declared:
                raise ValueError(f"the .ui file uses {class_name} without declaring it among its custom widgets")
            widget = self._classes[class_name](parent)
        else:
            widget = getattr(QtWidgets, class_name)(parent)
        if name in self._by_name:
            raise ValueError(f"the .ui file has two widgets of the name '{name}'")
        widget.setObjectName(name)
        self._by_name[name] = widget
        for child in element:
            if child.tag == "layout":
                self._layout(child, widget, declared)
            elif child.tag == "widget":
                self._into(widget, child, self._widget(child, widget, declared))
            elif child.tag == "item":
                widget.addItem(self._value(child.find("property")[0]))
            elif child.tag == "action":
                action = QtGui.QAction(widget)
                action.setObjectName(child.get("name"))
                self._by_name[child.get("name")] = action
                self._properties(child, action)
        self._properties(element, widget)
        return widget

    def _into(self, parent, element, widget) -> None:
        """Pages of tab widgets, tool boxes, stacks and scroll areas."""
        title = element.find("attribute[@name='title']")
        label = element.find("attribute[@name='label']")
        if isinstance(parent, QtWidgets.QTabWidget):
            parent.addTab(widget, self._value(title[0]) if title is not None else "")
        elif isinstance(parent, QtWidgets.QToolBox):
            parent.addItem(widget, self._value(label[0]) if label is not None else "")
        elif isinstance(parent, QtWidgets.QStackedWidget | QtWidgets.QSplitter):
            parent.addWidget(widget)
        elif isinstance(parent, QtWidgets.QScrollArea):
            parent.setWidget(widget)
        elif parent.layout() is None or parent.layout().indexOf(widget) < 0:
            widget.setParent(parent)

    def _layout(self, element, owner, declared: set[str]):
        class_name = element.get("class")
        if class_name not in LAYOUTS:
            raise ValueError(f"the .ui file has a layout of the unknown class {class_name}")
        layout = getattr(QtWidgets, class_name)(*([owner] if isinstance(owner, QtWidgets.QWidget) else []))
        layout.setObjectName(element.get("name") or "")
        self._margins(element, layout)
        for item in element.iterfind("item"):
            self._item(item, layout, owner, declared)
        for kind, setter in (("stretch", "setStretch"), ("rowstretch", "setRowStretch")):
            for index, stretch in enumerate((element.get(kind) or "").split(",")):
                if stretch.strip():
                    getattr(layout, setter)(index, int(stretch))
        for index, stretch in enumerate((element.get("columnstretch") or "").split(",")):
            if stretch.strip():
                layout.setColumnStretch(index, int(stretch))
        return layout

    def _item(self, item, layout, owner, declared: set[str]) -> None:
        parent = owner if isinstance(owner, QtWidgets.QWidget) else owner.parentWidget()
        content = item[0]
        if content.tag == "widget":
            made = self._widget(content, parent, declared)
        elif content.tag == "layout":
            made = self._layout(content, _Floating(parent), declared)
        else:
            made = self._spacer(content)
        place = {key: int(item.get(key, default)) for key, default in _PLACE.items()}
        if isinstance(layout, QtWidgets.QFormLayout):
            role = layout.ItemRole.SpanningRole if place["colspan"] == 2 else layout.ItemRole(place["column"])
            add = {"widget": layout.setWidget, "layout": layout.setLayout}.get(content.tag, layout.setItem)
            add(place["row"], role, made)
            return
        arguments = [made]
        if isinstance(layout, QtWidgets.QGridLayout):
            arguments += [place["row"], place["column"], place["rowspan"], place["colspan"]]
        {"widget": layout.addWidget, "layout": layout.addLayout}.get(content.tag, layout.addItem)(*arguments)
        if content.tag == "widget" and item.get("alignment"):
            layout.setAlignment(made, self._value_of_enum(item.get("alignment")))

    def _spacer(self, element) -> QtWidgets.QSpacerItem:
        values = {prop.get("name"): self._value(prop[0]) for prop in element.iterfind("property")}
        size, policy = values.get("sizeHint", QtCore.QSize()), QtWidgets.QSizePolicy.Policy
        along = values.get("sizeType", policy.Expanding)
        if values["orientation"] == QtCore.Qt.Orientation.Vertical:
            return QtWidgets.QSpacerItem(size.width(), size.height(), policy.Minimum, along)
        return QtWidgets.QSpacerItem(size.width(), size.height(), along, policy.Minimum)

    def _margins(self, element, layout) -> None:
        margins = layout.contentsMargins()
        for prop in element.iterfind("property"):
            name, value = prop.get("name"), self._value(prop[0])
            if name.endswith("Margin"):
                getattr(margins, "set" + name[: -len("Margin")].capitalize())(value)
            else:
                setattr(pythonqt.wrap(layout), name, pythonqt.wrap(value))
        layout.setContentsMargins(margins)

    def _properties(self, element, target) -> None:
        instance = pythonqt.wrap(target)
        for prop in element.iterfind("property"):
            name, value = prop.get("name"), self._value(prop[0])
            if name == "buddy":
                self._buddies.append((target, value))
            elif name in DYNAMIC_PROPERTIES:
                target.setProperty(name, value)
            elif name == "orientation" and isinstance(target, QtWidgets.QFrame) and class_is_line(element):
                line = QtWidgets.QFrame.Shape
                target.setFrameShape(line.HLine if value == QtCore.Qt.Orientation.Horizontal else line.VLine)
            else:
                try:
                    setattr(instance, name, pythonqt.wrap(value))
                except AttributeError as error:
                    raise AttributeError(f"{element.get('name')} in the .ui file: {error}") from None

    def _value(self, element):
        tag, text = element.tag, element.text or ""
        if tag in ("string", "cstring"):
            return text
        if tag == "bool":
            return text == "true"
        if tag in ("number", "double"):
            return int(text) if tag == "number" else float(text)
        if tag in ("enum", "set"):
            return self._value_of_enum(text)
        if tag == "stringlist":
            return [item.text or "" for item in element.iterfind("string")]
        if tag in ("size", "rect"):
            numbers = [int(child.text) for child in element]
            return (QtCore.QSize if tag == "size" else QtCore.QRect)(*numbers)
        if tag == "sizepolicy":
            policy = QtWidgets.QSizePolicy
            made = policy(policy.Policy[element.get("hsizetype")], policy.Policy[element.get("vsizetype")])
            made.setHorizontalStretch(int(element.findtext("horstretch") or 0))
            made.setVerticalStretch(int(element.findtext("verstretch") or 0))
            return made
        if tag == "font":
            font = QtGui.QFont()
            for child in element:
                if child.tag == "pointsize":
                    font.setPointSize(int(child.text))
                elif child.tag == "bold":
                    font.setBold(child.text == "true")
                elif child.tag == "italic":
                    font.setItalic(child.text == "true")
            return font
        if tag == "iconset":
            return QtGui.QIcon()
        raise ValueError(f"the host does not read <{tag}> of a .ui file")

    def _value_of_enum(self, text: str):
        """``Qt::AlignLeft|Qt::AlignTop`` or ``QFrame::Shape::HLine``; Slicer's own enumerations by their name."""
        joined = None
        for part in text.split("|"):
            path = part.strip().split("::")
            owner = QtCore.Qt if path[0] == "Qt" else getattr(QtWidgets, path[0], None)
            if owner is None:
                return part  # of a class of CTK or Slicer: kept as its name
            value = owner
            for name in path[1:]:
                value = getattr(value, name)
            joined = value if joined is None else joined | value
        return joined


class _Floating:
    """Stands for the owner of a layout that lies in another layout."""

    def __init__(self, parent):
        self._parent = parent

    def parentWidget(self):
        return self._parent


_PLACE = {"row": 0, "column": 0, "rowspan": 1, "colspan": 1}


def class_is_line(element) -> bool:
    """Designer writes a separating line as class "Line"."""
    return element.get("class") == "Line"
