"""The analysis process as the one who waits for it sees it: warm, stopped, killed, hanging, gone."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.worker.client import (
    Failed,
    Finished,
    Progress,
    Stopped,
    Worker,
    serve_command,
    serve_environment,
)
from Testing.worker.conftest import STAND_IN, is_alive, made_up_study, until_event, until_gone, until_progress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="The stand-in asks POSIX how its process is.")


def facts(events) -> dict[str, str]:
    """What the stand-in has told of itself."""
    assert isinstance(events[-1], Finished), events
    return dict(notice.message.split(" ", 1) for notice in events[-1].result.warnings if notice.code == "fact")


def zombies() -> list[str]:
    """Children of this process that have ended and that nobody has waited for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(parent) == os.getpid():
            found.append(stat.parent.name)
    return found


def test_an_analysis_tells_its_stages_and_gives_the_result(stand_in):
    worker, study = stand_in(), made_up_study()
    worker.analyse(study)
    assert worker.running
    events = until_event(worker)
    assert Progress(0.3, "Thinking") in events
    assert not worker.running and worker.poll() == []
    result = events[-1].result
    assert [(hip.side, hip.reason) for hip in result.hips] == [
        ("right", "There is metal in the right hip."),
        ("left", "There is metal in the left hip."),
    ]
    assert facts(events)["sum"] == str(study.volume.array.sum())


def test_the_process_never_learns_who_the_patient_is(stand_in):
    worker, study = stand_in(), made_up_study()
    worker.analyse(study)
    events = until_event(worker)
    assert facts(events)["patient"] == "{}"
    assert events[-1].result.patient == {"name": "Doe^Jane"}
    assert events[-1].result.warnings[0] is study.notices[0]


def test_it_leaves_no_core_dump(stand_in):
    worker = stand_in()
    worker.analyse(made_up_study())
    assert facts(until_event(worker))["cores"] == "(0, 0)"


def test_the_options_arrive_as_they_were_given(stand_in):
    options = AnalysisOptions(
        ("left",), "cpu", (HeadSeed("left", (-84.1, 5.0, 1 / 3)), HeadSeed("left", (1.0, 2, 3.0), 24.5)), "openvino",
        "bf16", ("networks", "steinberg-t1"),
    )  # fmt: skip
    worker = stand_in()
    worker.analyse(made_up_study(), options)
    told = facts(until_event(worker))
    assert told["options"] == str(options)
    assert told["run"] == "as ('cpu', 'openvino', 'bf16', 'networks', 'steinberg-t1')"


def test_studies_one_after_the_other_find_the_networks_open(stand_in):
    worker = stand_in()
    worker.warm_up()
    worker.warm_up()
    told = []
    for _ in range(3):
        worker.analyse(made_up_study())
        told.append(facts(until_event(worker)))
    assert [(t["pid"], t["models"]) for t in told] == [(str(stand_in.pids()[0]), "1")] * 3
    assert len(stand_in.pids()) == 1


def test_other_options_open_other_networks_in_the_same_process(stand_in):
    worker = stand_in()
    told = []
    for device in ("auto", "cpu", "cpu"):
        worker.analyse(made_up_study(), AnalysisOptions(device=device))
        told.append(facts(until_event(worker)))
    assert [t["models"] for t in told] == ["1", "2", "2"]
    assert len(stand_in.pids()) == 1


def test_a_second_analysis_is_refused_while_one_runs(stand_in):
    worker = stand_in("listens")
    worker.analyse(made_up_study())
    with pytest.raises(InputError, match=r"^An analysis is running; .*\.$"):
        worker.analyse(made_up_study())
    worker.cancel()
    assert until_event(worker)[-1] == Stopped()


def test_cancel_keeps_a_process_that_listens(stand_in):
    worker = stand_in("listens")
    worker.analyse(made_up_study())
    until_progress(worker)
    start = time.monotonic()
    worker.cancel()
    worker.cancel()
    assert until_event(worker) == [Stopped()]
    assert time.monotonic() - start < 0.7
    worker.analyse(made_up_study())
    until_progress(worker)
    assert len(stand_in.pids()) == 1 and is_alive(stand_in.pids()[0])


@pytest.mark.parametrize("behaviour", ["deaf", "deaf family", "holds the interpreter"])
def test_cancel_takes_effect_within_a_second_and_leaves_nothing_behind(stand_in, behaviour, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before = set(threading.enumerate())
    worker = stand_in(behaviour)
    worker.analyse(made_up_study())
    until_progress(worker)
    time.sleep(0.3)  # for the child of the family
    family = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if group(pid) == stand_in.pids()[0]]
    assert len(family) == (2 if behaviour == "deaf family" else 1)
    start = time.monotonic()
    worker.cancel()
    assert until_event(worker) == [Stopped()]
    assert time.monotonic() - start < 1.0
    assert not any(is_alive(pid) for pid in family)
    assert zombies() == []
    assert list((tmp_path / "temporary").iterdir()) == []
    time.sleep(0.1)
    assert set(threading.enumerate()) <= before
    worker.analyse(made_up_study())  # and the next one is possible, in a new process
    until_progress(worker)
    assert len(stand_in.pids()) == 2


def group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_cancel_right_after_the_start_stops_it_too(stand_in):
    worker = stand_in("deaf")
    worker.analyse(made_up_study((300, 512, 512)))
    start = time.monotonic()
    worker.cancel()
    assert until_event(worker)[-1] == Stopped()
    assert time.monotonic() - start < 1.0
    assert not any(is_alive(pid) for pid in stand_in.pids())


def test_cancel_without_an_analysis_does_nothing(stand_in):
    worker = stand_in()
    worker.cancel()
    assert worker.poll() == [] and not worker.running and stand_in.pids() == []


@pytest.mark.parametrize(
    ("behaviour", "sentence", "remedy"),
    [
        ("refuses", "This image shows a knee; give an image of the hip.", True),
        ("killed", "memory ran out; close other programs or crop the image", True),
        ("crashes", "ended unexpectedly (code -6)", True),
        ("exits", "ended unexpectedly (code 3)", True),
        ("no memory", "memory of this computer did not suffice", True),
        ("no memory in C++", "memory of this computer did not suffice", True),
        ("no openvino", "The Python package openvino is missing or damaged; install it", True),
        ("has a fault", "not foreseen; please report it", False),
        ("says garbage", "said something that is no result", True),
        ("says an object", "said something that is no result", True),
        ("says half a message", "said something that is no result", True),
        ("says what nobody says", "said something that is no result", True),
        ("says half a result", "ended unexpectedly (code 0)", True),
    ],
)
def test_a_failure_is_one_sentence_and_the_next_analysis_is_possible(stand_in, behaviour, sentence, remedy):
    worker = stand_in(behaviour)
    for _ in range(2):
        worker.analyse(made_up_study())
        failed = until_event(worker)[-1]
        assert isinstance(failed, Failed) and sentence in failed.message and failed.remedy is remedy
        assert failed.message.endswith(".") and "\n" not in failed.message
        assert "Doe" not in failed.message + failed.details
    if behaviour == "has a fault":
        assert "ZeroDivisionError" in failed.details and "stand_in.py" in failed.details
    # A refusal leaves the process warm; after anything that may have harmed it there is a new one.
    assert len(set(stand_in.pids())) == (1 if behaviour in ("refuses", "has a fault", "no openvino") else 2)
    assert zombies() == []


def test_a_process_killed_between_two_studies_is_replaced(stand_in):
    worker = stand_in()
    worker.analyse(made_up_study())
    until_event(worker)
    os.kill(stand_in.pids()[0], signal.SIGKILL)
    until_gone(stand_in.pids()[0], 2)
    time.sleep(0.1)
    worker.analyse(made_up_study())
    assert facts(until_event(worker))["pid"] == str(stand_in.pids()[1])


def test_a_hanging_analysis_is_given_up(stand_in):
    worker = stand_in("deaf", hang_after_s=1.5)
    worker.analyse(made_up_study())
    failed = until_event(worker)[-1]
    assert isinstance(failed, Failed) and "no sign of life for 2 seconds" in failed.message and failed.remedy
    assert not is_alive(stand_in.pids()[0]) and zombies() == []


def test_a_missing_package_is_named_with_its_remedy(tmp_path):
    """A Python that cannot even import the worker's libraries."""
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\")")
    environment = serve_environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{serve_environment()['PYTHONPATH']}"}
    worker = Worker(serve_command(sys.executable), environment)
    worker.analyse(made_up_study())
    failed = until_event(worker)[-1]
    assert failed.message == (
        "The analysis could not be started because the Python package numpy is missing; install it and analyse again."
    )
    assert failed.remedy


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["/nowhere/python3"], "could not be started with python3 (No such file or directory)"),
        ([sys.executable, "-c", "raise SystemExit(7)"], "could not be started because its process ended with code 7"),
        ([sys.executable, "-c", "print('hello')"], "said something that is no result"),
    ],
)
def test_a_worker_that_cannot_start_says_why(command, sentence):
    worker = Worker(command)
    worker.warm_up()
    assert worker.poll() == []
    for _ in range(2):
        worker.analyse(made_up_study())
        failed = until_event(worker)[-1]
        assert isinstance(failed, Failed) and sentence in failed.message


def test_a_launcher_is_killed_together_with_what_it_has_launched(tmp_path):
    """Slicer's PythonSlicer starts the actual Python as its child and passes the pipes on."""
    pids = tmp_path / "pids"
    launcher = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [sys.executable, "-c", launcher, sys.executable, str(STAND_IN), "deaf", str(pids)]
    worker = Worker(command, serve_environment())
    worker.analyse(made_up_study())
    until_progress(worker)
    worker.cancel()
    assert until_event(worker) == [Stopped()]
    assert not is_alive(int(pids.read_text()))
    assert zombies() == []


def test_close_ends_the_process_and_may_be_called_again(stand_in):
    worker = stand_in("deaf")
    worker.close()
    worker.analyse(made_up_study())
    until_progress(worker)
    worker.close()
    assert not worker.running and worker.poll() == []
    assert not is_alive(stand_in.pids()[0]) and zombies() == []
    worker.close()


def test_a_forgotten_worker_takes_its_process_along(stand_in, tmp_path):
    worker = Worker([sys.executable, str(STAND_IN), "deaf", str(tmp_path / "pids")], serve_environment())
    worker.analyse(made_up_study())
    until_progress(worker)
    del worker
    gc.collect()
    assert not is_alive(stand_in.pids()[0]) and zombies() == []


PARENT = """
    import sys, time
    from ONFHAssistLib.worker.client import Worker, serve_environment
    from Testing.worker.conftest import made_up_study, until_progress
    worker = Worker([sys.executable, *sys.argv[1:]], serve_environment())
    worker.analyse(made_up_study())
    until_progress(worker)
    print("busy", flush=True)
    {end}
"""


@pytest.mark.parametrize(("how", "end"), [("killed", "time.sleep(60)"), ("exits", "")])
@pytest.mark.parametrize("behaviour", ["deaf", "listens"])
def test_the_process_dies_with_its_parent_in_mid_computation(tmp_path, how, end, behaviour):
    pids = tmp_path / "pids"
    code = textwrap.dedent(PARENT.format(end=end))
    command = [sys.executable, "-c", code, str(STAND_IN), behaviour, str(pids)]
    with subprocess.Popen(command, env=serve_environment(), stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"busy\n"
        if how == "killed":
            assert is_alive(int(pids.read_text()))
            parent.kill()
    until_gone(int(pids.read_text()), 2)


def test_the_window_is_not_kept_waiting_by_a_large_image(stand_in):
    """512 x 512 x 300 voxels of 16 bits: 20 ms at most in each call, of which a window would stall at 100."""
    worker, study = stand_in(), made_up_study((300, 512, 512))
    worker.analyse(study)
    until_event(worker)
    spent = []

    def call(function, *arguments):
        start = time.perf_counter()
        answer = function(*arguments)
        spent.append(time.perf_counter() - start)
        return answer

    call(worker.analyse, study)
    events = []
    while worker.running:
        events += call(worker.poll)
        time.sleep(0.01)
    assert int(facts(events)["sum"]) == study.volume.array.sum()
    # The median and the sum tell of the work done; one call may be interrupted by what else runs on the machine.
    assert np.median(spent) < 0.02 and spent[0] < 0.1
