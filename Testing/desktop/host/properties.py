"""Reading and writing Q_PROPERTYs as PythonQt does."""

import enum

import shiboken6
from PySide6 import QtCore


def property_name(qt_object: QtCore.QObject, name: str) -> str | None:
    """The property that a name means; 'name' is another word for 'objectName', QTimer's singleShot is none."""
    meta = qt_object.metaObject()
    if name == "name" and meta.indexOfProperty("name") < 0:
        name = "objectName"
    if name == "singleShot" and isinstance(qt_object, QtCore.QTimer):
        return None
    return name if meta.indexOfProperty(name) >= 0 else None


def read_property(qt_object: QtCore.QObject, name: str):
    """The value of a property, as PySide has it."""
    if isinstance(getattr(type(qt_object), name, None), QtCore.Property):
        return getattr(qt_object, name)
    for getter in (name, f"is{name[0].upper()}{name[1:]}", f"has{name[0].upper()}{name[1:]}"):
        method = getattr(qt_object, getter, None)
        if callable(method) and not isinstance(method, QtCore.SignalInstance):
            return method()
    return qt_object.property(name)


def write_enumeration(qt_object: QtCore.QObject, name: str, value: int) -> bool:
    """Write an integer into a property that is an enumeration; False if it is none."""
    meta = qt_object.metaObject()
    index = meta.indexOfProperty(name)
    return index >= 0 and meta.property(index).isEnumType() and meta.property(index).write(qt_object, value)


def write_property(qt_object: QtCore.QObject, name: str, value, given) -> None:
    """Write what a module gave, ``value``, which is ``given`` to PySide; AttributeError for a wrong type."""
    meta, where = qt_object.metaObject(), f"{type(qt_object).__name__}.{name}"
    prop = meta.property(meta.indexOfProperty(name))
    if not prop.isWritable():
        raise AttributeError(f"Property {where} is not writable")
    if isinstance(getattr(type(qt_object), name, None), QtCore.Property):
        setattr(qt_object, name, given)
        return
    wrong = f"Property {where} of type '{prop.typeName()}' does not accept {value!r}"
    if value is None or not isinstance(given, str | bool | int | float | list | tuple | enum.Enum | shiboken6.Object):
        raise AttributeError(wrong)
    if isinstance(given, float) and prop.typeName() in ("int", "uint"):
        given = int(given)
    if prop.typeName() == "QString" and not isinstance(given, str):
        given = str(given)
    if isinstance(given, str) and prop.typeName() in ("int", "uint", "double", "bool"):
        raise AttributeError(wrong)
    setter = getattr(qt_object, f"set{name[0].upper()}{name[1:]}", None)
    if setter is not None and not isinstance(given, int):
        try:
            setter(given)
        except TypeError:
            raise AttributeError(wrong) from None
    elif not prop.write(qt_object, given.value if isinstance(given, enum.Enum) else given):
        raise AttributeError(wrong)
