"""Model cards: a network's figures, taken from what ``training.evaluate`` measured, and the text around them.

The card data (``training/cards/NAME.json``) says which figures a card shows::

    {"at": "heads.test_dice", "what": "Dice of the head", "on": "{n} heads of 5 studies never trained on",
     "shown": "median {median:.3f} ({q1:.3f}–{q3:.3f})", "better": "higher"}

``at`` is the place in the evaluation's JSON: a number, or a spread with its median. ``on`` and ``shown`` are filled
from ONFHAssistLib.core.files import replace_file
from the spread, from ``value`` (the number, or the median), from ``percent`` (100 times that), and from what else the
section tells. ``better`` is higher, lower or near zero, or left out where a figure is not to be compared with that of
another version.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file

NOT_MEASURED = "not measured"

CARD = """# {title}

{use} For research use; not a medical device.

Version {version}, {copyright}, {licence}.

## Data

{data}

## Figures

{figures}

## Limits

{limits}

## Files

`models/model.safetensors` holds the weights in 16-bit floats, in place of the pickled `model.pt` of MONAI's bundle
specification: a safetensors file cannot run code when it is opened. `models/model.xml` and `model.bin` are the same
network as an OpenVINO graph, for the CPU without torch. `configs/inference.json` names the MONAI network. To check
the metadata offline, with `pip install 'monai[fire,jsonschema]'`:

    python -m monai.bundle verify_metadata --meta_file configs/metadata.json --filepath bundle-metadata.schema.json

where the schema is `Resources/Schemas/bundle-metadata.schema.json` of ONFHAssist.
"""

_DISTANCE = {
    "higher": lambda before, now: before - now,
    "lower": lambda before, now: now - before,
    "near zero": lambda before, now: abs(now) - abs(before),
}


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read what ``training.evaluate`` wrote; nothing where it has not been run, InputError where it is damaged."""
    if not path.is_file():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        results = None
    if not isinstance(results, dict):
        raise InputError(f"The evaluation {path} is not readable JSON; run training.evaluate again.")
    return results


def write_evaluation(path: Path, results: Mapping[str, Any]) -> None:
    """Write what `read_evaluation` reads, in one step."""
    replace_file(path, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())


def figures_of(
    wanted: list[dict[str, str]], evaluation: Mapping[str, Any], weights: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Take a card's figures from an evaluation: ``figures`` of the bundle's metadata, by their place.

    Args:
        wanted: ``figures`` of the card data, see above.
        evaluation: content of ``evaluation.json``; each section names the ``models`` that it measured.
        weights: SHA-256 of the weights that the figures are for, by the name of the bundle. A section that was
            measured with other weights of any of these bundles does not count: the networks work together.

    Raises:
        InputError: a figure is of another kind than its ``shown`` and ``on`` expect.
    """
    found = {}
    for figure in wanted:
        name, *path = figure["at"].split(".")
        section = evaluation.get(name, {})
        models = section.get("models")
        if not models or any(weights.get(bundle) != digest for bundle, digest in models.items()):
            continue
        entry: Any = section
        for key in path:
            entry = entry.get(key) if isinstance(entry, dict) else None
        if entry is None:
            continue
        try:
            spread = entry if isinstance(entry, dict) else {}
            words = {key: value for key, value in section.items() if isinstance(value, int | float | str)} | spread
            words["value"] = spread["median"] if spread else entry
            words["percent"] = 100 * words["value"]
            found[figure["at"]] = {
                "what": figure["what"],
                "on": figure["on"].format(**words),
                "shown": figure["shown"].format(**words),
                "value": float(words["value"]),
                "better": figure.get("better"),
            }
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"The figure {figure['at']} does not fit the card data ({error!r}); correct it.") from None
    return found


def worse(before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> list[str]:
    """Say in which figures a bundle falls below the one that it would replace; see ``figures_of``.

    A figure that is no longer measured, or on something else, cannot be shown to be as good and counts as worse.
    """
    found = []
    for at, old in before.items():
        new, what = now.get(at), f"{old['what']} ({old['on']})"
        if old["better"] is None:
            continue
        if new is None:
            found.append(f"{what}: {old['shown']}, now {NOT_MEASURED}")
        elif new["on"] != old["on"]:
            found.append(f"{what}: {old['shown']}, now measured on something else ({new['on']})")
        elif _DISTANCE[old["better"]](old["value"], new["value"]) > 0:
            found.append(f"{what}: {old['shown']}, now {new['shown']}")
    return found


def model_card(metadata: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Return the model card as Markdown.

    Args:
        metadata: version, copyright, licence and the measured figures are taken from it.
        card: title; use (a sentence); data and limits (sentences); figures (see ``figures_of``).
    """
    own = metadata["onfh_assist"]
    measured = own.get("figures", {})
    rows = [
        [known["what"], known["on"], known["shown"]] if (known := measured.get(figure["at"])) else None
        for figure in card["figures"]
    ]
    if any(rows):
        missing = [figure["what"] for figure, row in zip(card["figures"], rows, strict=True) if row is None]
        lines = ["| what | on | value |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows if row)]
        figures = "\n".join(lines) + (f"\n\nNot measured: {'; '.join(missing)}." if missing else "")
    else:
        figures = "Not evaluated yet."
    return CARD.format(
        title=card["title"],
        use=card["use"],
        version=metadata["version"],
        copyright=metadata["copyright"],
        licence=own["licence"],
        data="\n".join(f"- {line}" for line in card["data"]),
        figures=figures,
        limits="\n".join(f"- {line}" for line in card["limits"]),
    )
