"""The sample study through the real worker, with the networks that come with the software."""

import os
import sys

import pytest

from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.worker.client import Finished, Worker, serve_command, serve_environment
from Testing.worker.conftest import until_event
from Testing.worker.test_worker_wire import same_result


@pytest.fixture
def worker():
    made = Worker(serve_command(sys.executable), serve_environment())
    yield made
    made.close()


def test_the_sample_study_gives_the_same_result_as_in_this_process(worker):
    study = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    here = analyse(study)
    worker.warm_up()
    for _ in range(2):
        worker.analyse(study)
        events = until_event(worker, 120)
        assert isinstance(events[-1], Finished), events[-1]
        there = events[-1].result
        assert [hip.status for hip in there.hips] == ["graded", "graded"]
        assert same_result(there, here)
    fractions = [event.fraction for event in events[:-1]]
    assert fractions == sorted(fractions) and fractions[-1] == 1


def test_it_runs_from_another_folder_with_files_named_like_libraries(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    worker = Worker(serve_command(sys.executable), serve_environment(environment))
    worker.analyse(read_study(resource_path("SampleData", "procedural_t1.nii.gz")), AnalysisOptions(("right",)))
    assert isinstance(until_event(worker, 120)[-1], Finished)
    worker.close()
