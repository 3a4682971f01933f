"""``slicer.parameterNodeWrapper``: typed parameters of a node, bound to widgets by their SlicerParameterName.

Written after the semantics of Slicer 5.12's package of that name, for the types in use: int, float, str, bool, paths,
enumerations, nodes (and unions of node classes) and nested parameter packs; anything else is refused.
"""

import enum
import pathlib
import types
import typing
import weakref

import slicer
import vtk

from .annotations import Default, Validator

PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.PurePath, pathlib.PurePosixPath)
PROPERTY = "SlicerParameterName"


class Parameter:
    """One parameter: its type without annotations, its annotations, and how it is kept in the node."""

    def __init__(self, name: str, annotated, default=None):
        self.name, self.annotated = name, annotated
        self.type, self.annotations = _split(annotated)
        self.pack = getattr(self.type, "_is_parameterPack", False)
        self.nodes = _node_classes(self.type)
        if not (self.pack or self.nodes or self.type in (int, float, str, bool, *PATHS) or is_enum(self.type)):
            raise TypeError(f"Unable to create serializer for parameter {name} of type {annotated}")
        given = [annotation for annotation in self.annotations if isinstance(annotation, Default)]
        self._default = Default(default) if default is not None else given[0] if given else None

    @property
    def default(self):
        if self._default is not None:
            return self._default.value
        if self.nodes:
            return None
        if is_enum(self.type):
            return next(iter(self.type))
        return self.type()

    def first(self, kind: type):
        """The annotation of a kind; None without one."""
        return next((annotation for annotation in self.annotations if isinstance(annotation, kind)), None)

    def validate(self, value) -> None:
        if value is None and not self.nodes:
            raise ValueError("Value must not be None")
        wanted = self.nodes or ((int, float) if self.type is float else self.type)
        if value is not None and not isinstance(value, wanted):
            raise TypeError(f"Value must be of type '{wanted}', is type '{type(value)}' value '{value}'")
        for annotation in self.annotations:
            if isinstance(annotation, Validator):
                annotation.validate(value)

    def is_in(self, node, key: str) -> bool:
        if self.pack:
            name, part = next(iter(self.type.allParameters.items()))
            return part.is_in(node, f"{key}.{name}")
        return bool(node.HasParameter(key))

    def write(self, node, key: str, value) -> None:
        self.validate(value)
        if self.pack:
            with slicer.util.NodeModify(node):
                for name, part in self.type.allParameters.items():
                    part.write(node, f"{key}.{name}", getattr(value, name))
        elif self.nodes:
            node.SetParameter(key, "")
            node.SetNodeReferenceID(key, value.GetID() if value is not None else None)
        elif self.type is bool:
            node.SetParameter(key, "True" if value else "False")
        else:
            node.SetParameter(key, value.name if is_enum(self.type) else str(value))

    def read(self, node, key: str):
        if self.pack:
            values = {name: part.read(node, f"{key}.{name}") for name, part in self.type.allParameters.items()}
            return _observed(self, node, key, values)
        if self.nodes:
            return node.GetNodeReference(key)
        text = node.GetParameter(key)
        if self.type is bool:
            return text == "True"
        return self.type[text] if is_enum(self.type) else self.type(text)


def is_enum(type_) -> bool:
    """Whether a parameter's type is an enumeration."""
    return isinstance(type_, type) and issubclass(type_, enum.Enum)


def _split(annotated):
    if typing.get_origin(annotated) is typing.Annotated:
        base, *annotations = typing.get_args(annotated)
        # A class of validator or default that was not called counts as an instance made without arguments.
        return base, [a() if isinstance(a, type) and issubclass(a, Validator) else a for a in annotations]
    return annotated, []


def _node_classes(type_) -> tuple[type, ...]:
    options = typing.get_args(type_) if typing.get_origin(type_) in (typing.Union, types.UnionType) else (type_,)
    options = tuple(option for option in options if option is not type(None))
    return options if all(isinstance(o, type) and issubclass(o, slicer.vtkMRMLNode) for o in options) else ()


def _parameters(cls) -> dict[str, Parameter]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {name: Parameter(name, hint, getattr(cls, name, None)) for name, hint in hints.items()}


def _dotted(owner, name: str):
    top, _, rest = name.partition(".")
    if top not in owner.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {top}\n  Found {list(owner.allParameters)}")
    if rest and not owner.allParameters[top].pack:
        raise ValueError(f"{top} is not a parameter pack but expects to have '{rest}'")
    return top, rest


def parameterPack(cls=None):
    """Class decorator: several parameters under one name."""

    def wrap(cls):
        parameters = _parameters(cls)
        if not parameters:
            raise ValueError("Unable to find any members in parameterPack")
        for parameter in parameters.values():
            parameter.validate(parameter.default)

        def __init__(self, *args, **kwargs):
            for name, value in zip(parameters, args, strict=False):
                kwargs[name] = value
            for name in kwargs:
                if name not in parameters:
                    raise TypeError(f"__init__() got an unexpected keyword argument '{name}'")
            for name, parameter in parameters.items():
                setattr(self, name, kwargs.get(name, parameter.default))

        def make(name):
            def change(self, value):
                parameters[name].validate(value)
                self.__dict__[f"_{name}_impl"] = value
                if "_save" in self.__dict__:
                    self._save()

            return property(lambda self: self.__dict__[f"_{name}_impl"], change)

        for name in parameters:
            setattr(cls, name, make(name))
        if "__init__" in cls.__dict__:
            raise TypeError("the host's parameterPack takes no class with an __init__ of its own")
        cls.__init__, cls.allParameters, cls._is_parameterPack = __init__, parameters, True
        cls.__eq__ = lambda self, other: (
            getattr(other, "allParameters", None) is parameters
            and all(getattr(self, name) == getattr(other, name) for name in parameters)
        )
        cls.__hash__ = None
        cls.getValue, cls.setValue = _get_value, _set_value
        cls.dataType = staticmethod(lambda name: _data_type(cls, name))
        return cls

    return wrap if cls is None else wrap(cls)


def _observed(parameter: Parameter, node, key: str, values: dict):
    """A pack read from a node: writing one of its values writes it into the node."""
    pack = parameter.type(**values)
    pack.__dict__["_save"] = lambda: parameter.write(node, key, pack)
    return pack


def _get_value(self, name: str):
    top, rest = _dotted(self, name)
    value = getattr(self, top)
    return value.getValue(rest) if rest else value


def _set_value(self, name: str, value) -> None:
    top, rest = _dotted(self, name)
    if rest:
        pack = getattr(self, top)
        pack.setValue(rest, value)
    else:
        setattr(self, top, value)


def _data_type(cls, name: str):
    top, rest = _dotted(cls, name)
    parameter = cls.allParameters[top]
    return parameter.type.dataType(rest) if rest else parameter.annotated


class _Kept:
    """The value of a parameter in a node, cached until the node is modified."""

    def __init__(self, parameter: Parameter, node, key: str):
        self._parameter, self._node, self._key, self._writing = parameter, node, key, False
        if not parameter.is_in(node, key):
            parameter.write(node, key, parameter.default)
        self._value = parameter.read(node, key)
        me = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: me() and me()._modified())

    def __del__(self):
        self._node.RemoveObserver(self._tag)

    def _modified(self):
        if not self._writing:
            self._value = self._parameter.read(self._node, self._key)

    def read(self):
        return self._value

    def write(self, value) -> None:
        self._writing = True
        try:
            with slicer.util.NodeModify(self._node):
                self._parameter.write(self._node, self._key, value)
                self._value = self._parameter.read(self._node, self._key)
        finally:
            self._writing = False


def parameterNodeWrapper(cls=None):
    """Class decorator: typed access to a vtkMRMLScriptedModuleNode, with widgets bound to it."""

    def wrap(cls):
        parameters = _parameters(cls)
        reserved = {"allParameters", "parameterNode", *vars(_Wrapped)} & set(parameters)
        if reserved:
            raise ValueError(f"Cannot use reserved name '{reserved}' in a parameterNodeWrapper")
        for name in parameters:
            kept = f"_{name}_impl"
            setattr(
                cls,
                name,
                property(
                    lambda self, kept=kept: getattr(self, kept).read(),
                    lambda self, value, kept=kept: getattr(self, kept).write(value),
                ),
            )
        for name, value in vars(_Wrapped).items():
            if name == "__init__" or not name.startswith("__"):
                setattr(cls, name, value)
        cls.allParameters, cls._is_parameter_node_wrapper = parameters, True
        cls.dataType = staticmethod(lambda name: _data_type(cls, name))
        return cls

    return wrap if cls is None else wrap(cls)


def isParameterNodeWrapper(class_or_object) -> bool:
    """Whether it was made by the decorator."""
    return getattr(class_or_object, "_is_parameter_node_wrapper", False)


class _Wrapped:
    """What the decorator adds to a class."""

    def __init__(self, parameterNode, prefix: str | None = None):
        self.parameterNode = parameterNode
        self._guis, self._observers, self._next_tag, self._updating = {}, {}, 0, False
        for name, parameter in self.allParameters.items():
            setattr(self, f"_{name}_impl", _Kept(parameter, parameterNode, f"{prefix or ''}{name}"))

    getValue, setValue = _get_value, _set_value

    def default(self, name: str):
        top, _ = _dotted(self, name)
        return Default(self.allParameters[top].default)

    def isCached(self, name: str) -> bool:
        _dotted(self, name)
        return True

    def connectGui(self, gui) -> int:
        """Bind all widgets that have a SlicerParameterName; returns a tag for disconnectGui."""
        import qt

        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if is_widget else gui.__dict__.values()
        named = {widget.property(PROPERTY): widget for widget in widgets if widget.property(PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict) -> int:
        from .widget_connectors import connector_for

        for name in mapping:
            _dotted(self, name)
        connectors = {name: connector_for(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._from_gui(name, connector))
        self._observers[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._to_gui())
        return tag

    def _from_gui(self, name: str, connector):
        def changed():
            with slicer.util.NodeModify(self):
                if not self._updating:
                    self.setValue(name, connector.read())

        return changed

    def _to_gui(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False

    def disconnectGui(self, tag: int) -> None:
        for connector in self._guis.pop(tag, {}).values():
            connector.onChanged(None)
        if tag in self._observers:
            self.RemoveObserver(self._observers.pop(tag))

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was):
        return self.parameterNode.EndModify(was)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        self.parameterNode.Modified()
