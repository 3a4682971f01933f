"""Annotations of parameters, as ``slicer.parameterNodeWrapper`` has them: defaults, limits, choices, decimals."""


class Default:
    """Annotation: the value that a parameter starts with."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class Decimals:
    """Annotation for the decimals of a spin box or slider."""

    def __init__(self, value: int):
        self.value = value


class SingleStep:
    """Annotation for the step of a spin box or slider."""

    def __init__(self, value: float):
        self.value = value


class Validator:
    """Base class of the annotations that refuse a value."""

    def validate(self, value) -> None:
        raise NotImplementedError("validate is not implemented")


class WithinRange(Validator):
    """Refuses values outside [minimum, maximum]."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    """Refuses values below the minimum."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    """Refuses values above the maximum."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class Choice(Validator):
    """Refuses values that are not listed."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")
