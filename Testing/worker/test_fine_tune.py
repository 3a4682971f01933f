"""A training in the background: its progress, its end, and what is said where something is missing."""

import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.worker.fine_tune import CONFIG, FineTune, TrainingPlace

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).with_name("stand_in_training.py")


@pytest.fixture
def clone(tmp_path):
    """A clone whose training misbehaves as the file ``behaviour`` in it says."""
    folder = tmp_path / "clone"
    (folder / CONFIG).parent.mkdir(parents=True)
    shutil.copy(ROOT / CONFIG, folder / CONFIG)
    shutil.copy(STAND_IN, folder / "training" / "train.py")
    return folder


@pytest.fixture
def tuning(clone, tmp_path):
    """Starts a training that behaves as told."""
    made = FineTune()

    def start(behaviour, mark="ab12"):
        (clone / "behaviour").write_text(behaviour)
        made.start(TrainingPlace(sys.executable, str(clone)), tmp_path / "Dataset101_Heads", 3, mark)
        return made

    yield start
    made.close()


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def ended(tuning):
    until(lambda: tuning.poll() is not None and not tuning.running)
    return tuning


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" if os.path.isdir("/proc") else True
    )


def test_it_trains_on_the_data_set_from_the_shipped_network_in_a_run_of_its_own(tuning, clone, tmp_path):
    done = ended(tuning("good"))
    assert not done.failed and "finetune_necrosis_ab12/best.pt" in done.message
    config, *more = (clone / "arguments").read_text().splitlines()
    assert more == ["--data", str(tmp_path / "Dataset101_Heads"), "--init", "necrosis"]
    told, shipped = (clone / config).read_text().splitlines(), (ROOT / CONFIG).read_text().splitlines()
    assert "name: finetune_necrosis_ab12" in told
    assert [line for line in told if not line.startswith("name:")] == [
        line for line in shipped if not line.startswith("name:")
    ]


def test_progress_follows_the_steps(tuning, clone):
    running = tuning("slow")
    assert running.running and (running.fraction, running.stage) == (0.0, "Making the samples")
    until(lambda: running.poll() or running.fraction)
    assert running.fraction == pytest.approx(300 / 1500)
    assert running.stage == "Step 300 of 1500, Dice on what is held out 0.812"
    with pytest.raises(InputError, match="A training is running"):
        tuning("slow")


@pytest.mark.skipif(os.name == "nt", reason="POSIX priorities")
def test_it_has_the_lowest_priority_and_cancel_ends_it_with_its_children(tuning, clone):
    running = tuning("slow")
    until(lambda: running.poll() or running.fraction)
    pids = [int(pid) for pid in (clone / "pids").read_text().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids] == [19, 19]
    began = time.monotonic()
    running.cancel()
    assert running.stage == "Cancelling" and time.monotonic() - began < 0.05
    ended(running)
    assert not running.failed and "cancelled" in running.message
    until(lambda: not any(alive(pid) for pid in pids), 2)
    assert ended(tuning("good")).message.startswith("The training is done")


def test_closing_leaves_no_process_and_no_file(tuning, clone):
    running = tuning("slow")
    until(lambda: running.poll() or running.fraction)
    pids, log = [int(pid) for pid in (clone / "pids").read_text().split()], running._log
    assert Path(log).exists()
    running.close()
    until(lambda: not any(alive(pid) for pid in pids), 2)
    assert not Path(log).exists()


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("refuse", "Dataset101_Heads has no approved case to learn from; annotate more."),
        ("no torch", "The Python package torch is missing in the training environment"),
        ("memory", "most likely because the memory ran out"),
        ("crash", r"The training ended unexpectedly \(code 1\)"),
    ],
)
def test_a_failure_is_one_sentence_and_another_training_can_be_started(tuning, behaviour, sentence):
    failed = ended(tuning(behaviour))
    assert failed.failed
    assert re.search(sentence, failed.message) and "\n" not in failed.message
    assert not ended(tuning("good")).failed


def test_what_is_missing_is_said_in_one_sentence(clone, tmp_path):
    def missing(python, folder, approved=1):
        return TrainingPlace(python, str(folder), "the settings").missing(approved)

    assert missing("", "") == "No Python of a training environment is named; name one in the settings."
    assert missing(sys.executable, "") == "No clone of the project is named; name one in the settings."
    assert "is no Python that can be run" in missing(str(tmp_path / "python"), clone)
    assert "is not a clone of this project" in missing(sys.executable, tmp_path)
    assert missing(sys.executable, clone, 0).startswith("No case is approved yet")
    assert missing(sys.executable, clone) == ""
    assert TrainingPlace(sys.executable, str(ROOT)).missing(1) == "", "this clone itself"
    with pytest.raises(InputError, match="No case is approved yet"):
        FineTune().start(TrainingPlace(sys.executable, str(clone)), tmp_path, 0, "ab")


def test_the_lines_that_are_read_are_those_that_training_writes():
    loop = (ROOT / "training" / "learning" / "loop.py").read_text()
    assert 'print(f"step {done}: loss {self._running:.4f}, validation {score:.4f}")' in loop
    source = (ROOT / "training" / "train.py").read_text()
    for argument in ("--data", "--init"):
        assert f'add_argument("{argument}"' in source
