"""The rooms of training/: what may know of what, and how long anything may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINING = ROOT / "training"
NO_SOURCES = {"runs", "cache", "candidates", "__pycache__"}

FLOORS = {"real": 0, "phantoms": 1, "learning": 2, "bundles": 3, "measuring": 3, "benchmarks": 5, "commands": 6}
"""A file imports from its own room and from lower floors only; the commands are the files of training/ itself."""
SYSTEM = 4
"""Floor of the rooms of the systems, all other folders with files of Python: they know the rest, and nothing them."""


def files() -> list[Path]:
    found = [path for path in sorted(TRAINING.rglob("*.py")) if not NO_SOURCES & set(path.parts)]
    assert len(found) > 50
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(module: str) -> str:
    """The room of a dotted name such as training.learning.loop."""
    folder = TRAINING / module.split(".")[1] if module.count(".") else TRAINING
    return folder.name if folder.is_dir() and folder != TRAINING else "commands"


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of training/ that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "training")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "training":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        assert not (isinstance(node, ast.ImportFrom) and node.level), "training/ has no relative imports"


def wrong_imports(source: str, module: str) -> list[str]:
    own = room_of(module)
    return [
        f"{module} imports {name}"
        for name in imported(ast.parse(source))
        if room_of(name) != own and FLOORS.get(room_of(name), SYSTEM) >= FLOORS.get(own, SYSTEM)
    ]


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_file_of_the_training_imports_only_from_the_floors_below_it(path: Path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert wrong_imports(path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("training.phantoms.render", "from training.learning.loop import train"),
        ("training.learning.loop", "def f():\n    from training.measuring import runs"),
        ("training.learning.loop", "import training.steinberg_t1.task"),
        ("training.measuring.runs", "from training.bundles.card import read_evaluation"),
        ("training.real.data", "from training.phantoms.recast import recast"),
        ("training.benchmarks.loop", "from training import evaluate"),
    ],
)
def test_an_import_between_rooms_against_the_direction_is_noticed(module: str, source: str):
    assert len(wrong_imports(source, module)) == 1


def test_no_command_is_used_by_another_file():
    """So that they stay thin: what is called twice belongs into a room."""
    for path in files():
        used = [name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if room_of(name) == "commands"]
        assert used == [], name_of(path)


def test_every_file_beside_the_rooms_is_a_command():
    for path in TRAINING.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "__init__.py" or (f"python -m training.{path.stem}" in text and "def main()" in text)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def test_no_function_is_longer_than_a_screen():
    long = {
        f"{name_of(path)}: {node.name}": length(node)
        for path in files()
        for node in functions(ast.parse(path.read_text(encoding="utf-8")))
        if length(node) > 60
    }
    assert long == {}


def test_no_file_is_longer_than_400_lines():
    long = {name_of(path): n for path in files() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400}
    assert long == {}


@pytest.mark.parametrize(
    ("word", "rooms"),
    [
        ("second_painter", {"measuring", "benchmarks"}),  # the painter of the test's lesions
        ("TEST_CASES", {"real", "measuring", "benchmarks"}),  # real/data.py names the cases that are held back
        ("_bones", {"measuring"}),  # the manual masks, which may be measured against and not learned from
    ],
)
def test_nothing_that_is_kept_for_the_test_is_known_to_the_training(word: str, rooms: set[str]):
    configs = list(TRAINING.rglob("*.yaml"))
    saying = [path for path in [*files(), *configs] if word in path.read_text(encoding="utf-8")]
    found = {room_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in saying}
    assert found == rooms
    assert "calibration.py" not in {path.name for path in saying}  # it chooses the interval
    if "real" in rooms:
        assert {path.name for path in saying if path.parent.name == "real"} == {"data.py"}


def test_no_case_is_both_trained_on_and_tested_on():
    from training.real.data import TEST_CASES, TRAINING_CASES

    assert set(TEST_CASES) == {"04", "09", "13", "18", "23"} and not set(TEST_CASES) & set(TRAINING_CASES)
