"""The training configs (``training/configs/*.yaml``): dataclasses whose fields say what they may hold.

A value that is not allowed, a key that is missing or that is not known, is an InputError that tells which one, what was
given, and what to give; all faults of a config are told at once.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ONFHAssistLib.core.errors import InputError
from training.real import data as real

OWN_TASKS = ("finder", "head_check", "slice_finder", "anatomy", "necrosis")
"""Tasks of the project's own networks; the others are systems, each with a room of that name here."""


def tasks() -> tuple[str, ...]:
    """Return what can be trained."""
    systems = sorted(path.parent.name for path in (real.ROOT / "training").glob("*/task.py"))
    return (*OWN_TASKS, *systems)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _allowed(words: str | Callable[[], str], holds: Callable[[Any], bool]) -> dict[str, Any]:
    """What a field may hold, in words and as a test."""
    return {"words": words if callable(words) else lambda: words, "holds": holds}


def _rule(words: str | Callable[[], str], holds: Callable[[Any], bool], default: Any = MISSING) -> Any:
    """A field and what it may hold; what equals the default need not be written."""
    return field(default=default, metadata=_allowed(words, holds))


def _count(default: Any = MISSING, least: int = 1) -> Any:
    """A whole number; where the default is None, or None."""
    words = f"a whole number, {least} or more"
    return _rule(words, lambda value: _is_whole(value, least) or (value is None and default is None), default)


def _mm(default: Any = MISSING) -> Any:
    words = "a number of mm above 0"
    return _rule(words, lambda v: (_is_number(v) and v > 0) or (v is None and default is None), default)


def _share(default: Any = MISSING) -> Any:
    return _rule("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1, default)


def _text() -> Any:
    return _rule("text", _is_text)


def _texts(default: Any = MISSING) -> Any:
    return _rule("a list of texts", lambda v: isinstance(v, list | tuple) and all(map(_is_text, v)), default)


class _Section:
    """A dataclass that checks its fields by their rules when it is made."""

    place: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Raise InputError where a field holds what it may not."""
        every = (_fault(own, getattr(self, own.name), self.place) for own in _known(type(self)).values())
        if faults := [fault for found in every for fault in found]:
            raise InputError("; ".join(faults))

    def plain(self) -> dict[str, Any]:
        """Return what a YAML file holds of it; what equals its default is left out."""
        return {
            own.name: _plain(getattr(self, own.name))
            for own in _known(type(self)).values()
            if getattr(self, own.name) != own.default
        }


def _fault(own: Field, value: Any, place: str) -> list[str]:
    """Say what is wrong with a value, if anything is."""
    if "holds" not in own.metadata or own.metadata["holds"](value):
        return []
    return [f"{place}{own.name} is {value!r}; give {own.metadata['words']()}"]


S = TypeVar("S", bound=_Section)


def _plain(value: Any) -> Any:
    if isinstance(value, _Section):
        return value.plain()
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Patch(_Section):
    """What the network sees: `imaging.canonical`'s ``network_slices`` and ``sphere_slices``.

    Attributes:
        pixel_mm: size of a pixel or voxel.
        size_px: pixels of each side; None: the whole image.
        neighbour_mm: how far off the slices before and after lie.
        sphere_mm: depth that is shown inside the head's sphere; None: the network does not see the sphere.
        shift_px: how far the augmentation moves a patch.
    """

    place: ClassVar[str] = "patch."
    pixel_mm: float = _mm()
    size_px: int | None = _count(None)
    neighbour_mm: float | None = _mm(None)
    sphere_mm: float | None = _mm(None)
    shift_px: int = _count(0, least=0)

    @property
    def side_px(self) -> int:
        """``size_px`` of a task that needs it; `Config` sees to that."""
        assert self.size_px is not None
        return self.size_px


@dataclass(frozen=True)
class Samples(_Section):
    """How many samples are made, and of what.

    Attributes:
        procedural: hips or pelves.
        seed: of all that is random in them.
        real: variants of each real head, or with ``--data`` of each case of the data set.
        ct: procedural hips more, on CT.
        marked: variants of each head that was marked by eye.
        recast: part of the real T1 heads that gets the contrast of T2 or fat suppression.
    """

    place: ClassVar[str] = "samples."
    procedural: int = _count(least=0)
    seed: int = _count(least=0)
    real: int = _count(0, least=0)
    ct: int = _count(0, least=0)
    marked: int = _count(0, least=0)
    recast: float = _share(0.0)


@dataclass(frozen=True)
class Training(_Section):
    """How a network is trained.

    Attributes:
        steps: how many.
        batch: samples a step, of all processes together.
        learning_rate: its peak (`loop.learning_rate`).
        seed: of weights and batches.
        real_share: part of a batch that is of real heads.
        epoch_steps: after so many steps come a validation and a checkpoint.
        mixed_precision: bf16 where that is safe.
        keep_init: part of the bundle's weights in the result, where training began with one (`curated.mixed`).
        grain: how strong that of the marrow is at most (`augment.grain`).
        average: decay of the moving average of the weights, which is what is scored and shipped.
    """

    place: ClassVar[str] = "training."
    steps: int = _count()
    batch: int = _count()
    learning_rate: float = _rule("a number above 0, such as 0.001", lambda v: _is_number(v) and v > 0)
    seed: int = _count(least=0)
    real_share: float = _share()
    epoch_steps: int = _count(500)
    mixed_precision: bool = _rule("true or false", lambda v: isinstance(v, bool), True)
    keep_init: float = _share(0.0)
    grain: float = _share(0.0)
    average: float = _share(0.998)


@dataclass(frozen=True)
class Data(_Section):
    """The data set that is learned from, as ``training.train --data`` writes it (`curated.with_data`).

    Attributes:
        name: of the data set.
        content: checksum of what was in it.
        cases: how many are learned from or choose the checkpoint.
        fold: chooses the checkpoint.
        keep_out: fold that is kept out; None: none.
        patients: of these cases.
        modalities: of its cases; runs of version 0.1.0 do not tell.
    """

    place: ClassVar[str] = "data."
    name: str = _text()
    content: str = _text()
    cases: int = _count()
    fold: int = _count(least=0)
    keep_out: int | None = _rule("a whole number, 0 or more, or null", lambda v: v is None or _is_whole(v, 0))
    patients: tuple[str, ...] = _texts()
    modalities: tuple[str, ...] = _texts(())


@dataclass(frozen=True)
class Init(_Section):
    """The bundle whose weights a training began with, as ``training.train --init`` writes it (`curated.with_init`).

    Attributes:
        name: of the bundle.
        version: of the bundle.
        sha256: of its weights.
        trained_on: what they had learned from, in words.
        patients: of the data sets that they had learned from.
    """

    place: ClassVar[str] = "init."
    name: str = _text()
    version: str = _text()
    sha256: str = _text()
    trained_on: str = _text()
    patients: tuple[str, ...] = _texts()


_NETWORK_KEYS = {"_target_", "spatial_dims", "in_channels", "out_channels"}


def _is_network(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _NETWORK_KEYS


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[A-Za-z0-9_-]+", value))


def _network_words() -> str:
    return f"a mapping with {', '.join(sorted(_NETWORK_KEYS))}"


@dataclass(frozen=True)
class Config(_Section):
    """A training config.

    Attributes:
        name: the run's folder is named after it.
        task: one of `tasks`.
        network: the class and its arguments; `models.networks.build_network` looks at the rest.
        patch: what the network sees.
        samples: what it learns from.
        training: how it learns.
        data: the data set that it learns from; None: the project's own images.
        init: the bundle that it began with; None: random weights.
    """

    name: str = field(metadata=_allowed("letters, digits, - and _", _is_name))
    task: str = field(metadata=_allowed(lambda: f"one of {', '.join(tasks())}", lambda value: value in tasks()))
    network: dict[str, Any] = field(metadata=_allowed(_network_words, _is_network))
    patch: Patch = field(metadata={"section": Patch})
    samples: Samples = field(metadata={"section": Samples})
    training: Training = field(metadata={"section": Training})
    data: Data | None = field(default=None, metadata={"section": Data})
    init: Init | None = field(default=None, metadata={"section": Init})

    def __post_init__(self) -> None:
        """Raise InputError where a field holds what it may not, or the task lacks something."""
        super().__post_init__()
        needed = {"finder": (), "anatomy": ("size_px", "neighbour_mm"), "necrosis": ("size_px", "neighbour_mm")}
        missing = [name for name in needed.get(self.task, ("size_px",)) if getattr(self.patch, name) is None]
        if missing:
            keys = " and ".join(f"patch.{name}" for name in missing)
            raise InputError(f"{keys} must be given for the task {self.task}")


def read_config(path: Path) -> Config:
    """Read a training config; raises InputError where the file is missing, no YAML, or no valid config."""
    import yaml  # comes with the train extra

    if not path.is_file():
        raise InputError(f"There is no training config at {path}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The training config {path} is not readable YAML ({' '.join(str(error).split())}).") from None
    try:
        return config_of(content)
    except InputError as error:
        raise InputError(f"The training config {path} is not valid: {error}.") from None


def config_of(content: Any) -> Config:
    """Return the config that a YAML file holds; raises InputError that tells all that is wrong with it."""
    faults: list[str] = []
    config = _build(Config, content, "the config", faults)
    if config is None:
        raise InputError("; ".join(faults))
    return config


def _build(kind: type[S], content: Any, what: str, faults: list[str]) -> S | None:
    """Build a section of what the YAML holds; None where there are faults, which are added to those known."""
    if not isinstance(content, dict):
        faults.append(f"{what} is {content!r}; give a mapping with the keys {', '.join(_known(kind))}")
        return None
    before, known = len(faults), _known(kind)
    place = kind.place
    for name in (name for name in content if name not in known):
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
        faults.append(f"{place}{name} is not a key; {hint}")
    values = {}
    for name, own in known.items():
        if name not in content:
            if own.default is MISSING:
                words = own.metadata["words"]() if "words" in own.metadata else "a mapping of its keys"
                faults.append(f"{place}{name} is missing; give {words}")
        elif "section" in own.metadata:
            values[name] = _build(own.metadata["section"], content[name], f"{place}{name}", faults)
        else:
            faults += _fault(own, content[name], place)
            values[name] = tuple(content[name]) if isinstance(content[name], list) else content[name]
    try:
        return kind(**values) if len(faults) == before else None
    except InputError as error:
        faults.append(str(error))
        return None


def _known(kind: Any) -> dict[str, Field]:
    return {own.name: own for own in fields(kind)}


def cache_path(config: Config) -> Path:
    """Return where the samples of a config are kept: another recipe, or other code for it, has another file."""
    parts: list[Any] = [real.SAMPLES_VERSION, config.task, config.patch.plain(), config.samples.plain()]
    parts += [part.plain() for part in (config.data, config.init) if part is not None]
    recipe = json.dumps(parts, sort_keys=True)
    return real.CACHE / f"{config.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}.npz"
