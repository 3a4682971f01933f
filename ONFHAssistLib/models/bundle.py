"""One folder for each model, in MONAI's bundle layout: read it, trust nothing in it, describe it.

Models are of the kinds in KINDS. Networks that segment, classify, or give features have these files:

::

    Resources/Bundles/<name>/
        LICENSE
        configs/metadata.json       what goes in and out, versions, checksums (Schemas/bundle-metadata.schema.json)
        configs/inference.json      network_def: the MONAI network and its arguments
        models/model.safetensors    weights, fp16 (MONAI's specification has a pickled model.pt: see the card)
        models/model.xml, .bin      the same network as OpenVINO graph, for the CPU without torch
        docs/README.md              model card: data, figures, limits, licence

and a table of coefficients (`table`) has ``models/table.json`` instead of configs/inference.json and the network.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import FILE_BYTES, is_link, parse_json
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models.places import PREVIOUS, find, in_place
from ONFHAssistLib.models.table import check_table

if TYPE_CHECKING:
    from ONFHAssistLib.models.engine import Engine

#: Number of the bundle format: raised when older software could misread a newer bundle.
SCHEMA = 1

KINDS = ("segmentation", "class_map", "classification", "features", "table")
"""What a model gives: a value for each class and voxel, for each class and place of a coarser grid (whose mean is that
of the class), for each class, for each feature, or for named variables."""
POOLED = ("classification", "features")
"""Networks of these kinds give one vector for each input."""
METADATA = "configs/metadata.json"
WEIGHTS = "models/model.safetensors"
TABLE = "models/table.json"
_ALWAYS = ("LICENSE", METADATA, "docs/README.md")
GRAPH = "models/model.xml"
IR_VERSIONS = ("10", "11")
"""Of OpenVINO's own graphs; it writes 11."""
_OF_NETWORKS = ("configs/inference.json", WEIGHTS, GRAPH, "models/model.bin")
TEXT_BYTES = 2**22
"""Of each text of a bundle; the largest that is shipped, a graph, has 0.2 MB, and a table of 10,000 names 1 MB."""


def files_of(kind: str) -> tuple[str, ...]:
    """Return the files of a model of this kind, by their places in its folder."""
    return (*_ALWAYS, *((TABLE,) if kind == "table" else _OF_NETWORKS))


@dataclass(frozen=True)
class Bundle:
    """A model that was found whole and unchanged.

    Attributes:
        name: name of its folder.
        version: "major.minor.patch" of the model.
        folder: where it lies.
        metadata: content of ``configs/metadata.json``, valid against its schema.
        network_def: ``network_def`` of ``configs/inference.json``, for ``networks.build_network``; of a table its
            content, for ``table.open_table``.
    """

    name: str
    version: str
    folder: Path
    metadata: dict[str, Any]
    network_def: dict[str, Any]

    @property
    def checksum(self) -> str:
        """What tells this model from any other (64 hexadecimal digits).

        It covers all that decides a result: the metadata with the scale of the input, the calibration and the checksums
        of the weights and of the graph that runs; and the definition of the network.
        """
        content = json.dumps([self.metadata, self.network_def], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def kind(self) -> str:
        """What it gives, one of KINDS."""
        return kind_of(self.metadata)

    @property
    def input(self) -> dict[str, Any]:
        """What the network needs of its input: pixel_mm, size_px, neighbour_mm, sphere_mm, modalities, trained_on."""
        return self.metadata["onfh_assist"]

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return self.metadata["network_data_format"]["inputs"]["image"]["num_channels"]

    @property
    def out_channels(self) -> int:
        """Number of output channels."""
        return self.metadata["network_data_format"]["outputs"]["pred"]["num_channels"]

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """For each spatial axis, in array order: its size must be a multiple of this many pixels."""
        return tuple(int(axis.split("*")[0]) for axis in self._spatial_shape)

    @property
    def one_size(self) -> bool:
        """Whether the network takes images of just `size_multiples`, and no others."""
        return not any("*" in axis for axis in self._spatial_shape)

    @property
    def _spatial_shape(self) -> list[str]:
        return self.metadata["network_data_format"]["inputs"]["image"]["spatial_shape"]


def load_bundle(name_or_path: str | Path, graph: bool = True) -> Bundle:
    """Read a bundle and check that it is whole, unchanged, and made for this software.

    Args:
        name_or_path: name of a bundle, looked for as in `places`, or the path of a bundle's folder. Where the
            replacement of a bundle was interrupted, the older one is read.
        graph: whether the exported graph is wanted; without it only what it is made from is looked at.

    Raises:
        InputError: no such folder, a missing or unreadable file or a link, a text that is too large, a checksum that
            differs, another origin, a bundle for another version of this software, or a network that does not fit its
            metadata.
    """
    try:
        folder = _find(name_or_path)
        if not folder.is_dir():
            raise InputError(f"There is no model folder {str(name_or_path)!r}; give the name or the path of a model.")
        return _load(folder, folder.resolve().name.removesuffix(PREVIOUS), graph)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"The model {str(name_or_path)!r} can't be read ({reason}); check its path.") from error


def _load(folder: Path, name: str, graph: bool) -> Bundle:
    _require_files(folder, _ALWAYS, name)
    metadata = _read_json(folder, METADATA, name)
    _check_origin(metadata, name)
    kind = kind_of(metadata)
    if kind not in KINDS:
        raise InputError(f"The model {name} is of the kind {kind!r:.40}, and there are {', '.join(KINDS)}.")
    needed = [file for file in files_of(kind) if graph or Path(file).stem != "model" or file == WEIGHTS]
    _require_files(folder, needed, name)
    _check_schema(metadata, name)
    if kind == "table":
        content = _read_json(folder, TABLE, name)
        check_table(content, name)
    else:
        content = _read_json(folder, "configs/inference.json", name).get("network_def", {})
        _check_network(content, metadata, name)
    checksums = metadata["onfh_assist"]["sha256"].items()
    _check_files(folder, {file: expected for file, expected in checksums if f"models/{file}" in needed}, name)
    return Bundle(name, metadata["version"], folder, metadata, content)


def kind_of(metadata: dict[str, Any]) -> Any:
    """Return what a model gives, by its metadata: one of KINDS where they are sound."""
    return metadata["onfh_assist"].get("kind", "segmentation")  # version 0.1.0 knew no other


def describe(bundle: Bundle, engine: "Engine | None" = None) -> dict[str, Any]:
    """Return the entry of ``report.json`` under "models": plain values that say which model ran, and where."""
    own = bundle.metadata["onfh_assist"]
    return {
        "name": bundle.name,
        "version": bundle.version,
        "sha256": bundle.checksum[:12],
        "engine": engine.name if engine else None,
        "device": engine.device if engine else None,
        "trained_on": own["trained_on"],
        **({"interval_measured_on": own["calibration"]["measured_on"]} if "calibration" in own else {}),
        "licence": own["licence"],
    }


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_files(folder: Path, files: Sequence[str], name: str) -> None:
    """Refuse files that are links, missing, or too large to be read whole."""
    links = [file for file in files if any(is_link(folder / part) for part in (file, Path(file).parent))]
    if links and not folder.resolve().is_relative_to(resource_path("Bundles").resolve()):
        raise InputError(
            f"In the model {name} {', '.join(links)} leads elsewhere by a link, which is not followed; "
            "put the files themselves there."
        )
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise InputError(f"The model {name} lacks {', '.join(missing)}; install it again.")
    for file in files:
        most = FILE_BYTES if Path(file).suffix in (".bin", ".safetensors") else TEXT_BYTES
        if (folder / file).stat().st_size > most:
            raise InputError(f"The file {file} of the model {name} has more than {most // 2**20} MB; get another copy.")


def _find(name_or_path: str | Path) -> Path:
    given = Path(name_or_path)
    if isinstance(name_or_path, str) and given.name == name_or_path and name_or_path not in ("", ".", ".."):
        return find(name_or_path)
    return in_place(given)


def _read_json(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        content = parse_json((folder / file).read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"The file {file} of the model {name} is not readable JSON; install the model again.")
    return content


def _check_origin(metadata: dict[str, Any], name: str) -> None:
    own = metadata.get("onfh_assist")
    if not isinstance(own, dict):
        raise InputError(f"The folder {name} is not a model of ONFHAssist (no onfh_assist in its metadata.json).")
    if own.get("schema") != SCHEMA:
        raise InputError(
            f"The model {name} has the bundle format {str(own.get('schema'))[:40]}, and this version of ONFHAssist "
            f"reads {SCHEMA}; "
            "use a model and a program of the same release."
        )


def _check_schema(metadata: dict[str, Any], name: str) -> None:
    import jsonschema

    schema = json.loads(resource_path("Schemas", "bundle-metadata.schema.json").read_text(encoding="utf-8"))
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(metadata))
    if error is not None:
        reason = error.message if len(error.message) < 120 else f"it violates {error.validator!r}"
        raise InputError(f"The metadata.json of the model {name} is not valid at {error.json_path[:120]}: {reason}.")


def _check_network(network_def: Any, metadata: dict[str, Any], name: str) -> None:
    """Compare the network's arguments (as MONAI's networks name them) with the data format, without torch."""
    network_def = network_def if isinstance(network_def, dict) else {}
    formats = metadata["network_data_format"]
    image, pred, own = formats["inputs"]["image"], formats["outputs"]["pred"], metadata["onfh_assist"]
    dims = len(image["spatial_shape"])
    out_dims = 0 if own.get("kind") in POOLED else dims
    ranks = [len(own[key]) for key in ("pixel_mm", "size_px") if isinstance(own[key], list)]
    multiples, size = [int(axis.split("*")[0]) for axis in image["spatial_shape"]], own["size_px"] or [0] * dims
    fits = (
        network_def.get("in_channels") == image["num_channels"] == len(image["channel_def"])
        and network_def.get("out_channels") == pred["num_channels"] == len(pred["channel_def"])
        and network_def.get("spatial_dims") == dims
        and len(pred["spatial_shape"]) == out_dims
        and all(rank == dims for rank in ranks)
        and all(n % multiple == 0 for n, multiple in zip(size, multiples, strict=True))
    )
    if not fits:
        raise InputError(
            f"The network of the model {name} does not fit its metadata.json (channels, dimensions or sizes differ); "
            "install the model again."
        )


def require_graph(folder: Path, name: str) -> None:
    """Raise InputError where the graph is none of OpenVINO's own kind.

    OpenVINO tells the kind of a graph by its content, and some kinds name further files, which no checksum covers.
    """
    try:
        root = ElementTree.parse(folder / GRAPH).getroot()
        own = root.tag == "net" and root.get("version") in IR_VERSIONS and root.find("layers") is not None
    except (ElementTree.ParseError, ValueError, LookupError):
        own = False
    if not own:
        raise InputError(f"The graph of the model {name} is no OpenVINO graph; install the model again.")


def _check_files(folder: Path, checksums: dict[str, str], name: str) -> None:
    for file, expected in checksums.items():
        if sha256(folder / "models" / file) != expected:
            raise InputError(
                f"The file models/{file} of the model {name} is damaged or was changed (its checksum differs); "
                "install the model again."
            )
