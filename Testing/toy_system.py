"""A system in one temporary package, and a table of coefficients beside it: what a newcomer would add, and no more."""

import importlib
import json
import sys
from pathlib import Path

from ONFHAssistLib import systems
from ONFHAssistLib.models.bundle import sha256

PACKAGE = """
import numpy as np

from ONFHAssistLib.core.findings import Figure, Finding, FindingMask
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.systems.base import Card, Variable

CARD = Card(
    id="toy",
    title="A toy system",
    source="nowhere, 2026",
    accepts="whatever is square",
    forms=("volume", "slice", "picture"),
    bundles=("toy_risk",),
    heads=False,
    variables=(Variable("age", "Age (years)", 18, 110, required=False),),
)


class Toy:
    card = CARD

    def why_not(self, study):
        return "The system toy reads what is square; give that." if study.source["modality"] == "CT" else ""

    def run(self, case, models, earlier, step):
        step(0.0, "Playing")
        volume = case.study.volume
        mask = np.zeros(volume.array.shape, bool)
        mask[:, 10:30, 10:30] = True
        risk = models.tables["toy_risk"]({"age": case.patient.get("age", 50.0)})
        return (
            Finding(
                CARD.id, CARD.title, "right",
                grades={"Toy stage": Grade("III", "The square is large: III", 0.4, 0.1)},
                figures=(Figure("side_mm", 20.0, "Side of the square", "mm"),),
                masks=(FindingMask("right_square", "Right square", 101, "#332288", "a~b~c", volume.like(mask)),),
                attention=volume.like(mask.astype(np.float32) * 0.5),
                notes=("It is a square.",),
                caption="A square is drawn around nothing.",
            ),
            Finding(CARD.id, CARD.title, "patient", probabilities={"collapse": risk}),
        )


SYSTEM = Toy()
"""
TABLE = {"outcome": "collapse", "link": "logistic", "intercept": 0.0, "coefficients": {"age": 0.01}}


def install(folder: Path, monkeypatch) -> None:
    """Put the package among the systems and its table among the models, until the test ends."""
    (folder / "systems/toy").mkdir(parents=True)
    (folder / "systems/toy/__init__.py").write_text(PACKAGE)
    _write_table(folder / "bundles/toy_risk")
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(folder / "systems")])
    monkeypatch.setenv("ONFH_BUNDLES", str(folder / "bundles"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    name = f"{systems.__name__}.toy"
    monkeypatch.setitem(sys.modules, name, None)  # so that it is gone afterwards
    del sys.modules[name]


def _write_table(folder: Path) -> None:
    for file in ("LICENSE", "docs/README.md", "configs/metadata.json", "models/table.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("x")
    (folder / "models/table.json").write_text(json.dumps(TABLE))
    own = {"schema": 1, "kind": "table", "trained_on": "Ten imagined squares.", "licence": "Apache-2.0"}
    own["sha256"] = {"table.json": sha256(folder / "models/table.json")}
    words = ("schema", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors")
    metadata = dict.fromkeys((*words, "copyright"), "x") | {"version": "0.1.0", "changelog": {"0.1.0": "First."}}
    (folder / "configs/metadata.json").write_text(json.dumps(metadata | {"onfh_assist": own}))
