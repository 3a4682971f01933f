"""PythonQt's manners on PySide6: properties are attributes, enumerations are integers, unknown names are errors.

Every Qt object and value reaches a module inside an :class:`Instance`. Read in PythonQt's sources
(PythonQtInstanceWrapper, PythonQtClassInfo, PythonQtSignalReceiver, PythonQtSignal):

- reading: property, then method, signal, enumeration value, dynamic property, child of that name;
- writing: properties only; creating an attribute is allowed only on a class that was derived in Python;
- ``isinstance(button, qt.QWidget)`` is False: each wrapper class derives from the instance wrapper alone;
- a slot gets as many of the signal's values as it has arguments; an error in it is printed and goes no further.

PythonQt only prints that a signal does not exist; here that is an error.
"""

import enum
import inspect
import sys
import time
import traceback
import weakref
from collections.abc import Callable

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

from . import names
from .properties import property_name, read_property, write_enumeration, write_property

QT_MODULES = (QtCore, QtGui, QtWidgets)

# Slots that Qt offers under a name that is a keyword of Python.
KEYWORDS = {"exec_": "exec"}


class Journal:
    """What happened in the slots of a test: errors that Qt would have swallowed, and how long each slot took."""

    def __init__(self):
        self.errors: list[str] = []
        self.slots: list[tuple[str, float, float]] = []  # name, wall and processor time of this thread in ms
        self.to_delete: list[Instance] = []
        self._depth = 0

    def delete_later(self) -> None:
        """Delete what was given to deleteLater since."""
        for instance in self.to_delete:
            if shiboken6.isValid(instance._qt):
                instance._qt.deleteLater()
        self.to_delete.clear()

    def guarded(self, function: Callable) -> Callable:
        """The same callable for Qt: its errors are kept, its time is taken, and it takes any number of arguments."""
        accepted = _accepted_arguments(function)

        def slot(*arguments):
            self._depth += 1
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                given = [wrap(argument) for argument in arguments]
                return unwrap(function(*(given if accepted is None else given[:accepted])))
            except Exception:
                self.errors.append(traceback.format_exc())
                print(self.errors[-1], file=sys.stderr)
            finally:
                self._depth -= 1
                if not self._depth:
                    name = getattr(function, "__qualname__", repr(function))
                    now = time.perf_counter(), time.thread_time()
                    self.slots.append((name, 1000 * (now[0] - wall), 1000 * (now[1] - processor)))

        return slot


journal = Journal()
dialogs = None  # set by the fixture: how a modal dialog is answered


def _accepted_arguments(function: Callable) -> int | None:
    """How many values of a signal PythonQt hands to a callable; None: all. Only functions and methods are looked at."""
    bound = inspect.ismethod(function)
    code = getattr(function.__func__ if bound else function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - bound


class EnumValue(int):
    """A value of a Qt enumeration: an integer, as in PythonQt, that still knows PySide's member."""

    def __new__(cls, member: enum.Enum):
        value = super().__new__(cls, member.value)
        value.member = member
        return value

    def __or__(self, other):
        if isinstance(other, EnumValue) and type(other.member) is type(self.member):
            joined = self.member | other.member if isinstance(self.member, enum.Flag) else int(self) | int(other)
            return EnumValue(joined) if isinstance(joined, enum.Enum) else joined
        return int(self) | int(other)


def wrap(value):
    """What a module sees of a value of Qt."""
    if isinstance(value, enum.Enum) and type(value).__module__.startswith("PySide6"):
        return EnumValue(value)
    if isinstance(value, shiboken6.Object):
        return _instance(value)
    if isinstance(value, list | tuple):
        return tuple(wrap(item) for item in value)
    if isinstance(value, dict):
        return {key: wrap(item) for key, item in value.items()}
    return value


def unwrap(value):
    """What Qt gets of a module's value."""
    if isinstance(value, Instance):
        return value._living()
    if isinstance(value, ClassWrapper):
        return value._qt_class
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, list | tuple):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    if inspect.isfunction(value) or inspect.ismethod(value) or inspect.isbuiltin(value):
        return journal.guarded(value)
    if isinstance(value, BoundMethod):
        return value.for_qt()
    return value


_wrappers: "weakref.WeakValueDictionary[int, Instance]" = weakref.WeakValueDictionary()


def _instance(qt_object) -> "Instance":
    """The one wrapper of a Qt object."""
    shell = getattr(qt_object, "_python_instance", None)
    if shell is not None:
        return shell
    if not isinstance(qt_object, QtCore.QObject):
        return _new_instance(qt_object)
    key = shiboken6.getCppPointer(qt_object)[0]
    known = _wrappers.get(key)
    if known is not None and known._qt is qt_object:
        return known
    _wrappers[key] = created = _new_instance(qt_object)
    return created


def _new_instance(qt_object) -> "Instance":
    cls = class_wrapper(type(qt_object))
    created = object.__new__(cls)
    object.__setattr__(created, "_qt", qt_object)
    return created


class Signal:
    """A signal of an object, as in ``button.clicked.connect(f)``."""

    def __init__(self, owner: "Instance", name: str):
        self._owner, self._name = owner, name

    def connect(self, function: Callable) -> bool:
        overloads = names.signals(type(self._owner._living()), self._name)
        lengths = {0 if "()" in signature else 1 + signature.count(",") for signature in overloads}
        if len(lengths) < len(overloads) and _accepted_arguments(function) != 0:
            raise TypeError(
                f"{self._owner.className()}.{self._name} is one of {overloads}: say which with connect('…', f)"
            )
        return _connect(self._owner, self._name, None, function)

    def disconnect(self, function: Callable | None = None) -> bool:
        return _disconnect(self._owner, self._name, function)

    def emit(self, *arguments) -> None:
        _bound_signal(self._owner._living(), self._name).emit(*map(unwrap, arguments))

    __call__ = emit


def _bound_signal(qt_object: QtCore.QObject, name: str):
    """A signal of an object; a stand-in may keep it under another name where Qt has a method of that name."""
    kept = getattr(qt_object, "signal_of", {}).get(name, name)
    if not hasattr(qt_object, kept):
        raise NotImplementedError(f"the host's {type(qt_object).__name__} has no '{name}' yet; Slicer's has")
    return getattr(qt_object, kept)


class Connections:
    """Which callables listen to which signal of which object; PythonQt holds them until the object is deleted."""

    def __init__(self):
        self.of: dict[int, list[tuple[str, Callable, Callable]]] = {}

    def clear(self) -> None:
        self.of.clear()


connections = Connections()


def _connect(owner: "Instance", name: str, argument_types: list[str] | None, function: Callable) -> bool:
    if not callable(function):
        raise TypeError(f"{owner.className()}.{name} cannot be connected to {function!r}, which is not callable")
    qt_object = owner._living()
    if isinstance(function, BoundMethod | Signal):
        limit = None if argument_types is None else len(argument_types)
        receiver = function.for_qt(limit) if isinstance(function, BoundMethod) else function.emit
    else:
        guarded = journal.guarded(function)

        def receiver(*arguments):
            if argument_types is not None:
                arguments = arguments[: len(argument_types)]
                if argument_types == ["bool"] and arguments and not isinstance(arguments[0], bool):
                    arguments = (arguments[0] is not None,)  # currentNodeChanged(bool)
            guarded(*arguments)

    _bound_signal(qt_object, name).connect(receiver)
    connections.of.setdefault(shiboken6.getCppPointer(qt_object)[0], []).append((name, function, receiver))
    return True


def _disconnect(owner: "Instance", name: str, function: Callable | None) -> bool:
    qt_object = owner._living()
    listeners = connections.of.get(shiboken6.getCppPointer(qt_object)[0], [])
    for entry in list(listeners):
        if entry[0] == name and (function is None or entry[1] == function):
            _bound_signal(qt_object, name).disconnect(entry[2])
            listeners.remove(entry)
            if function is not None:
                return True
    return function is None


class BoundMethod:
    """A method of a Qt object."""

    def __init__(self, owner: "Instance", name: str, function: Callable):
        self._owner, self.__name__, self._function = owner, name, function

    def __call__(self, *arguments):
        if dialogs is not None and self.__name__ == "exec" and dialogs.answers(self._owner):
            return wrap(dialogs.run(self._owner))
        if self.__name__ == "deleteLater" and not QtCore.QThread.currentThread().loopLevel():
            # A module runs inside Slicer's event loop, a test does not: Qt would delete at the first nested loop.
            journal.to_delete.append(self._owner)
            return None
        return wrap(self._called(arguments))

    def _called(self, arguments):
        given = [unwrap(argument) for argument in arguments]
        try:
            return self._function(*given)
        except (TypeError, ValueError):
            # An integer for an enumeration, which PythonQt takes and PySide does not.
            name = self.__name__[3:4].lower() + self.__name__[4:]
            one_integer = len(given) == 1 and isinstance(given[0], int)
            if not (one_integer and write_enumeration(self._owner._living(), name, given[0])):
                raise
            return None

    def for_qt(self, limit: int | None = None) -> Callable:
        """As a slot: Qt calls it with fewer values if the method takes fewer."""

        def slot(*arguments):
            for count in range(len(arguments[:limit]), -1, -1):
                try:
                    return self._function(*arguments[:count])
                except TypeError:
                    if not count:
                        raise
            return None

        return slot

    def __eq__(self, other):
        return isinstance(other, BoundMethod) and (self._owner, self.__name__) == (other._owner, other.__name__)

    def __hash__(self):
        return hash((self._owner, self.__name__))


class ClassWrapper(type):
    """A Qt class: makes instances, has enumeration values and static functions."""

    def __getattr__(cls, name: str):
        if name.startswith("__") or name == "_qt_class":
            raise AttributeError(name)
        qt_class = cls._qt_class
        if not names.knows(qt_class, name):
            raise AttributeError(f"type object '{qt_class.__name__}' has no attribute '{name}'")
        if dialogs is not None and dialogs.answers_static(qt_class.__name__, name):
            return lambda *arguments: wrap(dialogs.run_static(qt_class.__name__, name, [unwrap(a) for a in arguments]))
        value = getattr(qt_class, KEYWORDS.get(name, name), None)
        if isinstance(value, enum.EnumMeta):
            return EnumClass(value)
        if isinstance(value, enum.Enum):
            return EnumValue(value)
        if isinstance(value, type):
            return class_wrapper(value)
        if isinstance(value, int):
            return value
        if callable(value):
            return lambda *arguments: wrap(value(*[unwrap(argument) for argument in arguments]))
        raise AttributeError(f"type object '{qt_class.__name__}' has no attribute '{name}'")

    def __repr__(cls):
        return f"<class of Qt {cls.__name__}>"


class EnumClass:
    """An enumeration, as in ``qt.QFrame.Shape``; called with an integer it gives a value."""

    def __init__(self, members: enum.EnumMeta):
        self._members = members

    def __getattr__(self, name: str):
        return EnumValue(self._members[name]) if name in self._members.__members__ else getattr(int, name)

    def __call__(self, value: int) -> EnumValue:
        return EnumValue(self._members(int(value)))


class Instance(metaclass=ClassWrapper):
    """A Qt object or value as a module sees it."""

    __slots__ = ("__weakref__", "_qt")
    _qt_class: type = shiboken6.Object

    def __init__(self, *arguments):
        given = [unwrap(argument) for argument in arguments]
        qt_class, derived = self._qt_class, not type(self).__dict__.get("_is_wrapper")
        if derived and issubclass(qt_class, QtCore.QObject):
            qt_class = _shell(type(self), qt_class)
        object.__setattr__(self, "_qt", qt_class(*given))
        if isinstance(self._qt, QtCore.QObject):
            _wrappers[shiboken6.getCppPointer(self._qt)[0]] = self
            if derived:
                self._qt._python_instance = self

    def _living(self):
        qt_object = object.__getattribute__(self, "_qt")
        if not shiboken6.isValid(qt_object):
            raise ValueError(f"Trying to use a destroyed {type(qt_object).__name__} object")
        return qt_object

    def __getattr__(self, name: str):
        if name.startswith("__") or name == "_qt":
            raise AttributeError(name)
        qt_object = self._living()
        if not isinstance(qt_object, QtCore.QObject):
            return _of_value(self, qt_object, name)
        if name in ("connect", "disconnect", "className", "delete", "inherits"):
            return getattr(self, f"_{name}")
        known = names.knows(type(qt_object), name, qt_object)
        if known and (prop := property_name(qt_object, name)):
            return wrap(read_property(qt_object, prop))
        if known:
            member = _bound_signal(qt_object, KEYWORDS.get(name, name)) if _has(qt_object, name) else None
            if isinstance(member, QtCore.SignalInstance):
                return Signal(self, name)
            if isinstance(member, enum.EnumMeta | enum.Enum | type):
                return getattr(type(self), name)
            if callable(member):
                return BoundMethod(self, KEYWORDS.get(name, name), member)
        if name.encode() in [bytes(dynamic) for dynamic in qt_object.dynamicPropertyNames()]:
            return wrap(qt_object.property(name))
        if known:
            raise NotImplementedError(f"the host's {type(qt_object).__name__} has no '{name}' yet; Slicer's has")
        for child in qt_object.children():
            if child.objectName() == name:
                return wrap(child)
        raise AttributeError(f"{type(qt_object).__name__} has no attribute named '{name}'")

    def __setattr__(self, name: str, value):
        qt_object = self._living()
        if isinstance(qt_object, QtCore.QObject):
            known = names.knows(type(qt_object), name, qt_object)
            if known and (prop := property_name(qt_object, name)):
                return write_property(qt_object, prop, value, unwrap(value))
            if names.is_property(type(qt_object), name):  # Slicer's class has it, the stand-in only keeps it
                qt_object.setProperty(name, unwrap(value))
                return None
            if known:
                raise AttributeError(f"'{name}' can not be overwritten on {type(qt_object).__name__} object")
            if name.encode() in [bytes(dynamic) for dynamic in qt_object.dynamicPropertyNames()]:
                qt_object.setProperty(name, unwrap(value))
                return None
        if type(self).__dict__.get("_is_wrapper"):
            raise AttributeError(
                f"'{name}' does not exist on {type(qt_object).__name__} and creating new attributes on C++ objects is "
                "not allowed"
            )
        object.__setattr__(self, name, value)
        return None

    def _connect(self, signal: str, function, slot: str | None = None) -> bool:
        name, argument_types = _signature(self._living(), signal)
        if slot is not None:
            slot_name, _ = _signature(function._living(), slot, slots=True)
            function = getattr(function, slot_name)
        return _connect(self, name, argument_types, function)

    def _disconnect(self, signal: str, function=None, slot: str | None = None) -> bool:
        name, _ = _signature(self._living(), signal)
        return _disconnect(self, name, getattr(function, slot.partition("(")[0]) if slot else function)

    def _className(self) -> str:
        qt_object = self._living()
        return qt_object.metaObject().className() if isinstance(qt_object, QtCore.QObject) else type(qt_object).__name__

    def _inherits(self, name: str) -> bool:
        return self._living().inherits(name)

    def _delete(self) -> None:
        shiboken6.delete(self._living())

    def __eq__(self, other):
        if not isinstance(other, Instance):
            return False
        if isinstance(self._qt, QtCore.QObject):
            return self._qt is other._qt
        return bool(self._qt == other._qt)

    def __hash__(self):
        return id(self._qt) if isinstance(self._qt, QtCore.QObject) else hash(self._qt)

    def __bool__(self):
        return shiboken6.isValid(self._qt)

    def __repr__(self):
        return f"{type(self).__name__} ({type(self._qt).__name__} at {id(self._qt):#x})"

    def __getitem__(self, key):
        return wrap(self._living()[key])

    def __len__(self):
        return len(self._living())


def _of_value(owner: Instance, value, name: str):
    """A method or enumeration value of something that is no QObject: a colour, a font, a table item."""
    member = getattr(value, KEYWORDS.get(name, name), None)
    if isinstance(member, enum.EnumMeta | enum.Enum | type):
        return getattr(type(owner), name)
    if not callable(member) or names.is_of_qt6(type(value), name):
        raise AttributeError(f"{type(value).__name__} has no attribute named '{name}'")
    return BoundMethod(owner, name, member)


def _has(qt_object: QtCore.QObject, name: str) -> bool:
    return hasattr(qt_object, KEYWORDS.get(name, name))


def _signature(qt_object: QtCore.QObject, signature: str, slots: bool = False) -> tuple[str, list[str]]:
    """Name and argument types of a signal's (slot's) signature, if the class has it; TypeError otherwise."""
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
    name, _, rest = normal.partition("(")
    if not rest.endswith(")"):
        raise TypeError(f"'{signature}' is not the signature of a signal: write it as '{name}()'")
    if not names.has_signature(qt_object, normal, slots):
        kind = "slot" if slots else "signal"
        raise TypeError(f"{kind} '{signature}' does not exist on {type(qt_object).__name__}")
    return name, [part for part in rest[:-1].split(",") if part]


def _shell(derived: type, qt_class: type) -> type:
    """A class of Qt that calls the methods which a class derived in Python overrides."""

    def override(name: str):
        def method(self, *arguments):
            answer = journal.guarded(getattr(self._python_instance, name))(*arguments)
            return bool(answer) if name in ("event", "eventFilter") else answer

        return method

    overridden = {}
    if not names.is_stand_in(qt_class):  # PythonQt has no shells for the classes of CTK and Slicer
        for cls in derived.__mro__[: derived.__mro__.index(class_wrapper(qt_class))]:
            for name, value in vars(cls).items():
                if inspect.isfunction(value) and not name.startswith("__") and hasattr(qt_class, name):
                    overridden[name] = override(name)
    return type(qt_class.__name__, (qt_class,), {**overridden, "_python_instance": None})


_class_wrappers: dict[type, ClassWrapper] = {Instance._qt_class: Instance}


def class_wrapper(qt_class: type) -> ClassWrapper:
    """The wrapper of a Qt class. PythonQt's wrappers do not derive from one another."""
    if qt_class not in _class_wrappers:
        body = {"__slots__": (), "_qt_class": qt_class, "_is_wrapper": True, "__doc__": qt_class.__doc__}
        _class_wrappers[qt_class] = ClassWrapper(qt_class.__name__, (Instance,), body)
    return _class_wrappers[qt_class]


def qt_class_named(name: str) -> type | None:
    """A class that PythonQt's ``qt`` has; it has no Signal, Slot or Property."""
    if not name.startswith("Q"):
        return None
    for module in QT_MODULES:
        found = getattr(module, name, None)
        if isinstance(found, type):
            return found
    return None
