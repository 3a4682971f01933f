"""Which widget shows which type of parameter, as in Slicer's parameterNodeWrapper: the class must fit exactly."""

from .annotations import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange
from .parameter_node import PATHS, Parameter, is_enum

SLIDERS = ("ctkSliderWidget", "qMRMLSliderWidget")
NUMBERS = ("QDoubleSpinBox", "ctkDoubleSpinBox", "ctkDoubleSlider", "qMRMLSpinBox", *SLIDERS)


class Connector:
    """Between one widget and one parameter: a property (or pair of functions) and the signal of its change."""

    def __init__(self, widget, signal: str | None, read, write):
        self._widget, self._signal, self.read, self.write, self._callback = widget, signal, read, write, None

    def widget(self):
        return self._widget

    def onChanged(self, callback) -> None:
        self._callback = callback
        if self._signal is None:
            return
        signal = getattr(self._widget, self._signal)
        if callback is None:
            signal.disconnect(self.changed)
        else:
            signal.connect(self.changed)

    def changed(self) -> None:
        if self._callback:
            self._callback()


def connector_for(widget, annotated) -> Connector:
    """The connector of a widget for a type with its annotations; RuntimeError if Slicer has none."""
    parameter = Parameter("", annotated)
    name, type_ = type(widget).__name__, parameter.type

    def prop(attribute: str, signal: str | None, to=lambda v: v, back=lambda v: v) -> Connector:
        return Connector(
            widget, signal, lambda: to(getattr(widget, attribute)), lambda v: setattr(widget, attribute, back(v))
        )

    if type_ is bool and name in ("QCheckBox", "ctkCheckBox"):
        return prop("checked", "stateChanged")
    if type_ is bool and name in ("QPushButton", "ctkCheckablePushButton"):
        widget.checkable = True
        return prop("checked", "toggled")
    if type_ is int and name in ("QSlider", "QSpinBox"):
        _limits(widget, parameter, -(2**31), 2**31 - 1, must=name == "QSlider")
        return prop("value", "valueChanged")
    if type_ in (int, float) and name in NUMBERS:
        decimals = parameter.first(Decimals)
        if name != "ctkDoubleSlider" and (type_ is int or decimals is not None):
            widget.decimals = 0 if type_ is int else decimals.value
        _limits(widget, parameter, -1e308, 1e308, must=name in SLIDERS)
        return prop("value", "valueChanged", type_, type_)
    if name in ("QComboBox", "ctkComboBox") and (is_enum(type_) or type_ in (int, float, str, bool)):
        return _combo(widget, parameter)
    if type_ is str and name == "QLineEdit":
        return Connector(
            widget, "textChanged", lambda: widget.text, lambda v: v != widget.text and setattr(widget, "text", v)
        )
    if type_ is str and name == "QLabel":
        return prop("text", None)
    if type_ is str and name == "QTextEdit":
        return Connector(widget, "textChanged", lambda: widget.toPlainText(), lambda v: widget.setPlainText(v))
    if type_ in PATHS and name == "ctkPathLineEdit":
        return prop("currentPath", "currentPathChanged", type_, str)
    if type_ in PATHS and name == "ctkDirectoryButton":
        return prop("directory", "directoryChanged", type_, str)
    if parameter.nodes and name == "qMRMLNodeComboBox":
        widget.nodeTypes = [node.__name__ for node in parameter.nodes]
        return Connector(
            widget, "currentNodeChanged", lambda: widget.currentNode(), lambda node: widget.setCurrentNode(node)
        )
    raise RuntimeError(f"Unable to create GUI connector from datatype '{annotated}' to widget type '{name}'.")


def _limits(widget, parameter: Parameter, lowest, highest, must: bool) -> None:
    step, both = parameter.first(SingleStep), parameter.first(WithinRange)
    low, high = parameter.first(Minimum), parameter.first(Maximum)
    if must and both is None and (low is None or high is None):
        raise RuntimeError(f"Cannot have a connection to {type(widget).__name__} where the type is unbounded.")
    if step is not None:
        widget.singleStep = step.value
    widget.minimum = both.minimum if both else low.minimum if low else lowest
    widget.maximum = both.maximum if both else high.maximum if high else highest


def _combo(widget, parameter: Parameter) -> Connector:
    if is_enum(parameter.type):
        label = getattr(parameter.type, "label", lambda member: member.name)
        choices = list(parameter.type)
    else:
        label, choice = str, parameter.first(Choice)
        if choice is None:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
        choices = list(choice.choices)
    widget.clear()
    for value in choices:
        widget.addItem(label(value))

    def write(value):
        widget.currentIndex = choices.index(value)

    return Connector(widget, "currentIndexChanged", lambda: choices[widget.currentIndex], write)
