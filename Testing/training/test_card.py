"""The figures of a model card come from the evaluation of the very weights, or are not there."""

import json
import math

import pytest

from ONFHAssistLib.core.errors import InputError
from training.bundles.card import figures_of, model_card, read_evaluation, worse
from training.real.data import ROOT

MODELS = {"finder": "f" * 64, "anatomy": "a" * 64}
SPREAD = {"median": 0.9512, "q1": 0.94, "q3": 0.96, "min": 0.9, "max": 0.97, "n": 10}
EVALUATION = {
    "heads": {"heads": 30, "dice": SPREAD, "right": 0.875, "deep": {"er": {"mm": 1.5}}, "models": MODELS},
    "lesions": {"dice": SPREAD, "models": MODELS | {"necrosis": "e" * 64}},
    "speed": {"wall_s": 3.0},
}


def figure(at, on="{n} of {heads} heads", shown="{median:.3f} ({q1:.2f}–{q3:.2f})", **more):
    return {"at": at, "what": "Dice", "on": on, "shown": shown} | more


def test_a_figure_is_filled_from_its_place_in_the_evaluation():
    wanted = [
        figure("heads.dice", better="higher"),
        figure("heads.right", "{heads} heads", "{percent:.1f} %"),
        figure("heads.deep.er.mm", "all", "{value:.1f} mm", better="lower"),
    ]
    assert figures_of(wanted, EVALUATION, MODELS) == {
        "heads.dice": {
            "what": "Dice",
            "on": "10 of 30 heads",
            "shown": "0.951 (0.94–0.96)",
            "value": 0.9512,
            "better": "higher",
        },
        "heads.right": {"what": "Dice", "on": "30 heads", "shown": "87.5 %", "value": 0.875, "better": None},
        "heads.deep.er.mm": {"what": "Dice", "on": "all", "shown": "1.5 mm", "value": 1.5, "better": "lower"},
    }


@pytest.mark.parametrize(
    "at, weights",
    [
        ("heads.dice", MODELS | {"anatomy": "b" * 64}),  # measured with other weights
        ("heads.dice", {"anatomy": "a" * 64}),  # together with a network that is not there
        ("lesions.dice", MODELS),
        ("speed.wall_s", MODELS),  # does not say what it measured
        ("heads.mm", MODELS),
        ("none.dice", MODELS),
    ],
)
def test_what_was_not_measured_with_these_weights_is_no_figure(at, weights):
    assert figures_of([figure(at)], EVALUATION, weights) == {}


def test_a_figure_that_the_card_expects_otherwise_is_named():
    with pytest.raises(InputError, match=r"heads\.right does not fit the card data"):
        figures_of([figure("heads.right")], EVALUATION, MODELS)


def measured(value, better, on="10 heads"):
    return {"dice": {"what": "Dice", "on": on, "shown": f"{value}", "value": value, "better": better}}


@pytest.mark.parametrize(
    "better, before, now, falls",
    [
        ("higher", 0.9, 0.89, True),
        ("higher", 0.9, 0.9, False),
        ("higher", 0.9, 0.91, False),
        ("lower", 0.9, 0.91, True),
        ("lower", 0.9, 0.89, False),
        ("near zero", -0.2, 0.3, True),
        ("near zero", -0.2, 0.1, False),
        (None, 0.9, 0.1, False),
    ],
)
def test_a_bundle_falls_below_another_in_the_direction_of_each_figure(better, before, now, falls):
    found = worse(measured(before, better), measured(now, better))
    assert bool(found) == falls
    assert not falls or found == [f"Dice (10 heads): {before}, now {now}"]


def test_a_figure_that_is_gone_or_of_something_else_counts_as_worse():
    before = measured(0.9, "higher")
    assert "not measured" in worse(before, {})[0]
    assert "measured on something else (5 heads)" in worse(before, measured(0.99, "higher", "5 heads"))[0]
    assert worse({}, before) == []


def card_of(figures):
    metadata = {"version": "0.2.0", "copyright": "Copyright", "onfh_assist": {"licence": "Apache-2.0"} | figures}
    wanted = [figure("heads.dice"), figure("heads.mm") | {"what": "ASD"}]
    return model_card(metadata, {"title": "Heads", "use": "Finds.", "data": ["X"], "limits": ["Y"], "figures": wanted})


def test_the_card_shows_what_was_measured_and_says_what_was_not():
    assert "Not evaluated yet." in card_of({})
    card = card_of({"figures": {"heads.dice": figures_of([figure("heads.dice")], EVALUATION, MODELS)["heads.dice"]}})
    assert "| Dice | 10 of 30 heads | 0.951 (0.94–0.96) |\n\nNot measured: ASD." in card


def test_a_damaged_evaluation_is_named_and_a_missing_one_is_empty(tmp_path):
    assert read_evaluation(tmp_path / "none.json") == {}
    (tmp_path / "half.json").write_text('{"heads": {', encoding="utf-8")
    with pytest.raises(InputError, match=r"half\.json is not readable"):
        read_evaluation(tmp_path / "half.json")


COUNTS = {"heads": 30, "test_heads": 10, "test_patients": 5, "lesions": 200, "hips": 10, "models": MODELS}
COUNTS |= {"slices": 51, "patients": 17, "internal_slices": 900, "external_slices": 900}
COUNTS |= {"internal_hips": 40, "external_hips": 40, "sound_heads": 10}


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "cards").glob("*.json")), ids=lambda path: path.stem)
def test_each_figure_of_a_shipped_card_can_be_filled(path):
    wanted = json.loads(path.read_text(encoding="utf-8"))["card"]["figures"]
    assert len({entry["at"] for entry in wanted}) == len(wanted) > 0
    for entry in wanted:
        assert entry.get("better") in ("higher", "lower", "near zero", None)
        section, *keys = entry["at"].split(".")
        filled = {}
        for value in (0.5, SPREAD):  # the card knows which it is
            content = value
            for key in reversed(keys):
                content = {key: content}
            try:
                filled |= figures_of([entry], {section: COUNTS | content}, MODELS)
            except InputError:
                continue
        assert math.isfinite(filled[entry["at"]]["value"]), entry
