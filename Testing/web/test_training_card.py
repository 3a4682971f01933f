"""The card of the data set on the page's server: looked at off the loop, a training started and cancelled."""

import contextlib
import json
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

from page_parts import Bench, needs_browser, on_page
from web_parts import at_work, key_of, saved, until

from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models.installed import install
from ONFHAssistLib.web import logic_training
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_training import CLONE_VARIABLE, PYTHON_VARIABLE, TrainingLogic
from ONFHAssistLib.web.state import PageState

TESTING = Path(__file__).resolve().parents[1]
CONFIG = "training/configs/finetune_necrosis.yaml"


def made(session, cases):
    """The card's logic without a page; ``logic.clicked`` is what the button calls."""
    data = PageState()
    act = Actions(contextlib.nullcontext(), session, lambda: logic.show())
    logic = TrainingLogic(session, data, act, lambda: logic.show(), cases)
    ui = SimpleNamespace(
        tune_clicked=SimpleNamespace(connect=lambda do: setattr(logic, "clicked", do)),
        network_chosen=SimpleNamespace(connect=lambda do: setattr(logic, "chosen", do)),
    )
    logic.set_ui(ui)
    return logic, data


def stand_in_clone(tmp_path) -> Path:
    """A clone whose training takes its time."""
    clone = tmp_path / "clone"
    (clone / CONFIG).parent.mkdir(parents=True)
    shutil.copy(TESTING.parent / CONFIG, clone / CONFIG)
    shutil.copy(TESTING / "worker" / "stand_in_training.py", clone / "training" / "train.py")
    (clone / "behaviour").write_text("slow")
    return clone


def in_use(data) -> str:
    """Id of the network that the card says is in use."""
    return next(one["id"] for one in data.training["networks"] if one["in_use"])


def test_a_training_is_started_followed_and_cancelled_from_the_page(place, state, tmp_path, monkeypatch):
    clone, cases = stand_in_clone(tmp_path), tmp_path / "cases"
    looked, overview = [], logic_training.overview
    monkeypatch.setattr(
        logic_training, "overview", lambda folder: looked.append(threading.current_thread()) or overview(folder)
    )

    async def steps(session) -> None:
        logic, data = made(session, cases)
        logic.look()
        await until(lambda: looked)
        assert not data.training.get("title"), "no data set, no card"
        await session.open(key_of(session, "sample.nii.gz"))
        await saved(session, cases, "R07")
        logic.look()
        await until(lambda: data.training.get("title"))
        assert threading.main_thread() not in looked
        assert data.training["counts"] == "2 approved" and json.dumps(data.training)
        assert data.training["tuning"].startswith("No Python of a training environment is named")
        assert PYTHON_VARIABLE in data.training["tuning"]
        logic.clicked()
        assert "No Python" in session.message and session.alarm and not logic.tuning.running
        monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
        monkeypatch.setenv(CLONE_VARIABLE, str(clone))
        try:
            logic.clicked()
            await until(lambda: data.training["percent"] == 20)
            assert data.training["running"] and data.training["tuning"].startswith("Step 300 of 1500")
            logic.clicked()
            await until(lambda: not data.training["running"])
            assert "cancelled" in data.training["tuning"] and not data.training["failed"]
        finally:
            logic.close()

    at_work(place, state, steps)


def test_an_installed_network_is_taken_into_use_and_the_shipped_one_again(place, state, tmp_path, monkeypatch):
    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path / "bundles"))
    (tmp_path / "bundles").mkdir()
    copy = shutil.copytree(resource_path("Bundles", "necrosis"), tmp_path / "necrosis")
    metadata = json.loads((copy / "configs" / "metadata.json").read_text())
    shipped_version = metadata["version"]
    metadata["version"], metadata["changelog"]["0.9.0"] = "0.9.0", "Fine-tuned."
    (copy / "configs" / "metadata.json").write_text(json.dumps(metadata))
    install(copy)

    async def steps(session) -> None:
        logic, data = made(session, tmp_path / "cases")
        await session.open(key_of(session, "sample.nii.gz"))
        await saved(session, tmp_path / "cases", "R07")
        logic.look()
        await until(lambda: data.training.get("networks"))
        shipped, installed = (one["id"] for one in data.training["networks"])
        assert in_use(data) == shipped
        for network, version in ((installed, "0.9.0"), (shipped, shipped_version)):
            logic.chosen(network)
            await until(lambda network=network: in_use(data) == network)
            assert session.message == f"The next analysis takes {network}."
            await session.analyse()
            used = {model["name"]: model["version"] for model in session.review.result.models}
            assert used["necrosis"] == version

    at_work(place, state, steps)


@needs_browser
def test_the_card_appears_with_the_first_saved_case(place, state, screenshots, tmp_path, monkeypatch):
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    monkeypatch.setenv(CLONE_VARIABLE, str(stand_in_clone(tmp_path)))

    async def steps(bench: Bench) -> None:
        await bench.open()
        page = bench.page
        assert not await page.get_by_text("Training data").count()
        await page.get_by_label("Reader (a code)").fill("R7")
        await page.get_by_label("Patient (a code)").fill("P1")
        await page.keyboard.press("Control+Enter")
        await bench.shown("2 approved")
        await page.get_by_text("Training data").click()
        await bench.shown("Last saved: 20")
        await page.click("button:has-text('Fine-tune')")
        await bench.shown("Step 300 of 1500")
        await bench.shot("training data")
        await page.click(".training button:has-text('Cancel')")
        await bench.shown("The training was cancelled")
        bench.app.logic.training.close()

    on_page(place, state, screenshots, steps)
