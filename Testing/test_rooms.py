"""The rooms of the house: each imports only from the floors below it. CONTRIBUTING.md tells what lives where."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

CURATION = {"curation", "curation.case", "curation.store", "curation.reports"}
BELOW_REVIEWER = {"core", "models", "imaging", "systems", *CURATION, "exchange", "analysis", "worker", "scene"}
# Which rooms a room may import, besides itself.
ROOMS = {
    "core": set(),
    "models": {"core"},
    "imaging": {"core", "models"},
    "systems": {"core", "models", "imaging"},
    "exchange": {"core", "models"},
    "curation": set(),
    "curation.case": {"core", "imaging"},
    "curation.store": {"core", "imaging", "exchange", "curation.case"},
    "curation.reports": {"core", "imaging", "exchange", "curation.case", "curation.store"},
    "analysis": {"core", "models", "imaging", "systems", "exchange"},
    "worker": {"core", "models", "imaging", "systems", "analysis"},
    "scene": {"core", "imaging", "systems", *CURATION, "exchange", "analysis"},
    "reviewer": BELOW_REVIEWER,
    "training": {"core", "models", "imaging", "systems", *CURATION, "analysis", "scene"},
    "desktop": {*BELOW_REVIEWER, "reviewer"},
    "web": {*BELOW_REVIEWER, "reviewer"},
    "cli": {"core", "models", "imaging", "systems", *CURATION, "exchange", "analysis", "web", "cli_data"},
}
# Which libraries a room may import, besides the standard library and those of core; training is free.
LIBRARIES = {
    "core": {"numpy", "scipy", "skimage"},
    "models": {"jsonschema", "openvino", "torch", "monai", "safetensors"},
    "imaging": {"SimpleITK", "pydicom", "nibabel", "nrrd", "PIL"},
    "systems": set(),
    "exchange": {"SimpleITK", "pydicom", "highdicom", "matplotlib", "jinja2", "reportlab", "PIL"},
    "curation.case": {"nibabel"},
    "analysis": set(),
    "worker": set(),
    "scene": {"SimpleITK", "pydicom", "vtk", "slicer"},
    "reviewer": set(),
    "desktop": {"pydicom", "vtk", "slicer", "qt", "ctk", "PyTorchUtils", "SampleData"},
    "web": {
        "SimpleITK",
        "aiohttp",
        "trame",
        "trame_server",
        "trame_client",
        "trame_slicer",
        "undo_stack",
        "vtk",
        "vtkmodules",
        "slicer",
    },
    "cli": {"typer", "rich"},
}
SLICERS_OWN = {"ctk", "pytorchutils", "qt", "sampledata", "slicer", "vtk", "vtkmodules"}
"""What comes with 3D Slicer and its extension PyTorch."""
STANDARD = {*sys.stdlib_module_names, "_typeshed"}
"""Python's own modules, and the names that type checkers have for their types."""
TRAMES_OWN = {"aiohttp", "trame", "trame_client", "trame_server", "undo_stack"}
"""What comes with trame-slicer, which is pinned in the extra ``review``."""
# Slow or optional: a start without them is quick, and works without those of an extra.
NEVER_AT_FILE_SCOPE = {"torch", "monai", "matplotlib", "openvino"}
# Its classes are torch's; `models.networks.build_network` alone looks them up, where torch is there.
OF_TORCH = "ONFHAssistLib.models.class_map"


def room_of(module: str) -> str | None:
    """The room that a dotted module name lies in; None outside this project and for the package itself."""
    parts = module.split(".")
    if parts[0] == "training":
        return "training"
    if parts[0] != "ONFHAssistLib" or len(parts) == 1:
        return None
    if parts[1] == "curation" and len(parts) > 2 and parts[2] != "__init__":
        return f"curation.{parts[2]}"
    return "cli" if parts[1].startswith("cli_") else parts[1]


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module that a file imports, inside functions too; relative ones are resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from names if base in ("ONFHAssistLib", "training") else [base]


def imports_at_file_scope(body: list[ast.stmt], package: str) -> Iterator[str]:
    """The modules that are imported when the file is; an ``if TYPE_CHECKING:`` is not run."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports_at_file_scope(node.orelse, package)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node, package)
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt | ast.ExceptHandler):
                yield from imports_at_file_scope(value, package)


def wrong_imports(source: str, module: str) -> list[str]:
    """What a file of this name may not import, each with the reason."""
    room, package = room_of(module), module.rpartition(".")[0]
    tree = ast.parse(source)
    wrong = []
    for name in imports(tree, package):
        other, library = room_of(name), name.partition(".")[0]
        if other == "__version__" or (other is None and library == "ONFHAssistLib"):
            continue
        if other is not None:
            if room is None or (other != room and other not in ROOMS[room]):
                wrong.append(f"{module} imports {name}, which is not on a floor below it")
        elif (
            room != "training"
            and library not in STANDARD
            and library not in LIBRARIES["core"] | LIBRARIES.get(room, set())
        ):
            wrong.append(f"{module} imports {library}, which does not belong into its room")
    if room != "training":
        late = {name for name in imports_at_file_scope(tree.body, package)}
        wrong += [
            f"{module} imports {name} at file scope; import it inside the function that needs it"
            for name in sorted(late)
            if name.partition(".")[0] in NEVER_AT_FILE_SCOPE and module != OF_TORCH
        ]
    return wrong


def project_files() -> list[Path]:
    return [path for folder in ("ONFHAssistLib", "training") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", project_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_only_from_the_floors_below_it(path: Path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert wrong_imports(path.read_text(encoding="utf-8"), module) == []


def circle_of(known: dict[str, set[str]]) -> list[str]:
    """A circle of modules that import each other, given what each imports; empty where there is none."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        found = [] if module in done else [walk(other, [*way, module]) for other in sorted(known[module])]
        done.add(module)
        return next(filter(None, found), [])

    return next(filter(None, (walk(module, []) for module in sorted(known))), [])


def test_no_files_of_core_import_each_other_in_a_circle_not_even_for_their_types():
    files = {f"ONFHAssistLib.core.{path.stem}": path for path in (ROOT / "ONFHAssistLib/core").glob("*.py")}
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in files.items()}
    known = {module: set(imports(tree, "ONFHAssistLib.core")) & files.keys() for module, tree in trees.items()}
    assert len(known) > 20 and circle_of(known) == []


def test_a_circle_of_imports_is_noticed():
    assert circle_of({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_of({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def libraries_of(folder: str) -> set[str]:
    """The distributions whose modules the files of a folder import."""
    names = {
        "skimage": "scikit-image",
        "PIL": "pillow",
        "nrrd": "pynrrd",
        "yaml": "pyyaml",
        "fpdf": "fpdf2",
        "trame_slicer": "trame-slicer",
    }
    used = {
        name.partition(".")[0]
        for path in (ROOT / folder).rglob("*.py")
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), "")
    }
    libraries = used - STANDARD - {"ONFHAssistLib", "training", ""}
    return {names.get(name, name).lower() for name in libraries}


def pinned_for(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.split(r"==|\[", pin)[0].lower() for pins in lists for pin in pins}


def test_every_library_that_is_imported_is_pinned():
    used = libraries_of("ONFHAssistLib") | libraries_of("training")
    assert used - SLICERS_OWN - TRAMES_OWN <= pinned_for("train", "benchmark", "review")


def test_every_library_that_a_user_has_to_install_is_imported():
    codecs = {"pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg"}  # pydicom looks for them by itself
    of_extras = SLICERS_OWN | TRAMES_OWN | {"trame-slicer", "torch", "monai"}
    assert pinned_for() == libraries_of("ONFHAssistLib") - of_extras | codecs


def test_every_room_has_a_floor():
    rooms = {room_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in project_files()}
    assert rooms - {"__init__"} <= set(ROOMS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ONFHAssistLib.core.geometry", "from ONFHAssistLib.imaging.read import read_study"),
        ("ONFHAssistLib.core.geometry", "def f():\n    from ONFHAssistLib import imaging"),
        ("ONFHAssistLib.core.geometry", "from .. import imaging"),
        ("ONFHAssistLib.core.geometry", "from ..imaging import read"),
        ("ONFHAssistLib.imaging.read", "import ONFHAssistLib.exchange.write"),
        ("ONFHAssistLib.exchange.write", "from ONFHAssistLib.analysis import analyse"),
        ("ONFHAssistLib.analysis", "import training.train"),
        ("training.train", "from ONFHAssistLib.exchange.write import write_study"),
        ("ONFHAssistLib.curation.case.record", "from ONFHAssistLib.curation.store.index import cases"),
        ("ONFHAssistLib.curation.case.record", "def f():\n    from ONFHAssistLib.curation import reports"),
        ("ONFHAssistLib.curation.case.record", "from ..reports import status"),
        ("ONFHAssistLib.curation.store.check", "from ONFHAssistLib.curation.reports.status import status"),
        ("ONFHAssistLib.core.geometry", "import SimpleITK"),
        ("ONFHAssistLib.models.engine", "import torch.nn"),
        ("ONFHAssistLib.models.engine", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        ("ONFHAssistLib.models.engine", "class Net:\n    from monai.networks import nets"),
        ("ONFHAssistLib.exchange.plots", "from matplotlib import pyplot"),
    ],
)
def test_an_import_against_the_direction_is_noticed(module: str, source: str):
    assert len(wrong_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ONFHAssistLib.models.engine", "def f():\n    import torch"),
        ("ONFHAssistLib.models.engine", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("ONFHAssistLib.imaging.read", "from ONFHAssistLib.core.volume import Volume\nimport numpy as np"),
        ("ONFHAssistLib.core.planes", "from .volume import Volume\nfrom . import sphere"),
        ("ONFHAssistLib.cli", "from ONFHAssistLib import __version__"),
        ("ONFHAssistLib.curation.reports.status", "from ONFHAssistLib.curation.store.index import cases"),
        ("ONFHAssistLib.curation.store.check", "from ONFHAssistLib.curation.case import layout"),
        ("training.train", "import torch\nfrom training.phantoms.anatomy import random_hip"),
    ],
)
def test_an_import_in_the_direction_is_allowed(module: str, source: str):
    assert wrong_imports(source, module) == []


def test_no_file_of_the_library_is_longer_than_400_lines():
    files = [path for path in project_files() if "ONFHAssistLib" in path.parts]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 100 and {name: n for name, n in lengths.items() if n > 400} == {}
