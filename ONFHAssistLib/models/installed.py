"""The user's own bundles: install one, take it into use, bring the former one back, remove one.

The shipped bundles are listed with the installed ones and can be taken into use again at any time; nothing here changes
them. Each step is one rename: whatever interrupts it, the bundles that were in use stay usable.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models.bundle import METADATA, Bundle, files_of, load_bundle
from ONFHAssistLib.models.engine import try_out
from ONFHAssistLib.models.places import IN_USE, INSTALLED, bundles_folder, in_place, in_use, is_id


@dataclass(frozen=True)
class Model:
    """A shipped or installed bundle.

    Attributes:
        id: names it among all: ``<name>-<version>-<first 8 digits of `Bundle.checksum`>``; of a damaged shipped bundle
            its name alone; of an installed one the name of its folder.
        name: what it is for, such as "necrosis".
        version: "major.minor.patch"; "" of a damaged one.
        folder: where it lies.
        shipped: whether it came with the software.
        in_use: whether the analysis takes it.
        trained_on: one sentence.
        problem: what is wrong with it; "" of a whole one.
    """

    id: str
    name: str
    version: str
    folder: Path
    shipped: bool
    in_use: bool
    trained_on: str = ""
    problem: str = ""


def network_words(model: Model) -> str:
    """Return a model in a few words, for a list to choose from."""
    return f"{model.version or 'damaged'}, {'shipped' if model.shipped else 'installed'} ({model.id})"


def models() -> tuple[Model, ...]:
    """Return all bundles, by name, the shipped one of each name first.

    One that is damaged, or was chosen and is gone, is among them with what is wrong with it. Where the list of those in
    use is damaged, none counts as in use.

    Raises:
        InputError: see ``places.bundles_folder``.
    """
    own = bundles_folder()
    chosen, laid = _chosen(own), laid_by_hand(own)
    found: list[Model] = []
    for name in shipped_names():
        taken = chosen is not None and name not in chosen and name not in laid
        found.append(_model(resource_path("Bundles", name), name, "", True, taken))
        wanted = None if chosen is None or name in laid else chosen.get(name)
        folders = {folder.parent.name: folder for folder in sorted((own / INSTALLED).glob(f"*/{name}"))}
        if wanted is not None:
            folders.setdefault(wanted, own / INSTALLED / wanted / name)
        for bundle_id, folder in folders.items():
            if not bundle_id.startswith("."):
                found.append(_model(folder, name, bundle_id, False, bundle_id == wanted))
        if name in laid:
            found.append(_model(in_place(own / name), name, "", False, True))
    return tuple(found)


def install(folder: Path) -> Model:
    """Copy a bundle into the user's folder; it is taken into use by `use` only.

    Nothing is done where the same bundle is there already, shipped or installed; a damaged one is replaced.

    Raises:
        InputError: it is no whole and unchanged bundle of this software, or made for other input or other labels than
            the shipped bundle of its name, or its network does not run, or it can't be written; nothing has changed
            then.
    """
    own = bundles_folder()
    bundle = load_bundle(Path(folder))
    require_fit(bundle, bundle.name)
    if bundle.kind != "table":
        try_out(bundle)
    bundle_id = id_of(bundle)
    if shipped := next((model for model in models() if model.id == bundle_id and model.shipped), None):
        return shipped
    place = own / INSTALLED / bundle_id
    if place.is_dir():
        with contextlib.suppress(InputError):
            load_bundle(place / bundle.name)
            return _the(bundle_id)
    new = place.with_name(f".{secrets.token_hex(4)}")
    with _disk("The model could not be installed", new):
        for file in files_of(bundle.kind):
            target = new / bundle.name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / file, target)
            _flush(target)
        load_bundle(new / bundle.name)  # what arrived, not what was sent
        with _set_aside(place):
            os.rename(new, place)
    return _the(bundle_id)


def use(bundle_id: str) -> Model | None:
    """Let the analysis take a bundle from its next start on; return the one that was in use before.

    A damaged list of the bundles in use is begun anew.

    Raises:
        InputError: there is none of this id, it is damaged, or another one was laid before it by hand.
    """
    own, every = bundles_folder(), models()
    model = _the(bundle_id, every)
    if model.name in laid_by_hand(own):
        raise InputError(
            f"A bundle {model.name} lies in {own} itself and goes before all others; move it away, then choose."
        )
    if model.problem:
        raise InputError(model.problem)
    former = next((other for other in every if other.name == model.name and other.in_use), None)
    chosen = {name: taken for name, taken in (_chosen(own) or {}).items() if name != model.name}
    if not model.shipped:
        chosen[model.name] = model.id
    with _disk(f"{bundle_id} could not be taken into use"):
        replace_file(own / IN_USE, (json.dumps(chosen, indent=1) + "\n").encode())
    return former


def remove(bundle_id: str) -> None:
    """Delete an installed bundle.

    Raises:
        InputError: there is none of this id, it came with the software, or it is in use.
    """
    model = _the(bundle_id)
    if model.shipped:
        raise InputError(f"{bundle_id} came with the software and stays; only installed models can be removed.")
    if model.in_use or in_use(bundles_folder()).get(model.name) == model.id:
        raise InputError(f"{bundle_id} is in use; take another one into use first, then remove it.")
    if model.folder.parent.name != bundle_id:
        raise InputError(f"{model.folder} was laid there by hand; move it away by hand, too.")
    with _disk(f"{bundle_id} could not be removed"), _set_aside(model.folder.parent):
        pass


def find_bundle(text: str) -> Bundle:
    """Return a bundle by its id among the shipped and installed ones, its name, or its folder; see `load_bundle`."""
    if Path(text).name == text:
        for model in models():
            if model.id == text:
                return load_bundle(model.folder)
    return load_bundle(Path(text) if os.path.isdir(text) else text)


def id_of(bundle: Bundle) -> str:
    """Return what names a bundle among all."""
    return f"{bundle.name}-{bundle.version}-{bundle.checksum[:8]}"


def require_fit(bundle: Bundle, name: str) -> None:
    """Refuse a bundle that does another thing than the shipped one of a name.

    Raises:
        InputError: there is no shipped bundle of that name, or input channels, labels or dimensions are others, or
            the input is of another form or scale.
    """
    names = shipped_names()
    if name not in names:
        raise InputError(f"This software has no use for a model {name}; it takes {', '.join(names)}.")
    shipped = load_bundle(resource_path("Bundles", name))
    if bundle.kind != shipped.kind:
        raise InputError(f"The model is of the kind {bundle.kind}, {name} of this software of {shipped.kind}.")
    if bundle.kind == "table":
        own, wanted = (sorted(one.network_def["coefficients"]) for one in (bundle, shipped))
        if own != wanted:
            raise InputError(f"The table was made for other variables than {name} of this software has.")
        return
    for what, (group, tensor) in {"labels": ("outputs", "pred"), "input": ("inputs", "image")}.items():
        own, wanted = (
            list(one.metadata["network_data_format"][group][tensor]["channel_def"].values())
            for one in (bundle, shipped)
        )
        if own != wanted:
            raise InputError(
                f"The model was made for other {what} ({', '.join(own)}) than {name} of this software has "
                f"({', '.join(wanted)}); train it from the shipped one."
            )
    dims = [one.network_def["spatial_dims"] for one in (bundle, shipped)]
    if dims[0] != dims[1]:
        raise InputError(f"The model looks at {dims[0]} dimensions, {name} of this software at {dims[1]}.")
    for key in ("pixel_mm", "size_px", "neighbour_mm", "sphere_mm"):
        size, like = (one.input.get(key) for one in (bundle, shipped))
        if not _alike(size, like):
            raise InputError(
                f"The model has {key} {size}, {name} of this software {like}, and a quarter to four times as much is "
                "taken in its place; train it from the shipped one."
            )


def _alike(own: Any, wanted: Any) -> bool:
    """Whether two sizes are of the same form and about as large, number by number: a quarter to four times."""
    if isinstance(own, list) and isinstance(wanted, list) and len(own) == len(wanted):
        return all(map(_alike, own, wanted))
    if isinstance(own, (int, float)) and isinstance(wanted, (int, float)):
        return wanted / 4 <= own <= wanted * 4
    return own is None and wanted is None


def shipped_names() -> tuple[str, ...]:
    """Return the names of the bundles that came with the software."""
    return tuple(sorted(path.name for path in resource_path("Bundles").iterdir() if (path / METADATA).is_file()))


def laid_by_hand(folder: Path) -> set[str]:
    """Return the names of the bundles that lie in the user's folder itself, to be tried or measured."""
    return {name for name in shipped_names() if in_place(folder / name).is_dir()}


def _the(bundle_id: str, every: tuple[Model, ...] | None = None) -> Model:
    every = models() if every is None else every
    for model in every:
        if model.id == bundle_id:
            return model
    raise InputError(f"There is no model {bundle_id}; there are {', '.join(model.id for model in every)}.")


def _chosen(folder: Path) -> dict[str, str] | None:
    """Return the id of the installed bundle in use for each name; None where the list of them is damaged."""
    try:
        return in_use(folder)
    except InputError:
        return None


def _model(folder: Path, name: str, bundle_id: str, shipped: bool, taken: bool) -> Model:
    try:
        if bundle_id and not is_id(bundle_id):
            raise InputError(f"The folder {folder.parent} has a name that is no id; move it away, and install {name}.")
        bundle = load_bundle(folder)
        trained_on = bundle.metadata["onfh_assist"]["trained_on"]
        return Model(bundle_id or id_of(bundle), name, bundle.version, folder, shipped, taken, trained_on)
    except InputError as error:
        return Model(bundle_id or name, name, "", folder, shipped, taken, problem=str(error))


@contextlib.contextmanager
def _disk(what: str, new: Path | None = None) -> Iterator[None]:
    """Turn what the disk refuses into a sentence, and clear away what was begun."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{what}: {error.strerror or error}; the models are as they were.") from error
    finally:
        if new is not None and new.is_dir():
            shutil.rmtree(new, ignore_errors=True)
        elif new is not None:
            with contextlib.suppress(OSError):
                new.unlink()


@contextlib.contextmanager
def _set_aside(place: Path) -> Iterator[None]:
    """Take a folder out of its place; delete it where the block has done its work, else put it back."""
    aside = place.with_name(f".{secrets.token_hex(4)}")
    if place.is_dir():
        os.rename(place, aside)
    try:
        yield
    except BaseException:
        if aside.is_dir():
            os.rename(aside, place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
