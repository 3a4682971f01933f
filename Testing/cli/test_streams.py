"""Where the command line's words go to nowhere: closed or full streams, and arguments that are empty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ONFHAssistLib import cli
from ONFHAssistLib.core.resources import resource_path

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from ONFHAssistLib.cli import main; sys.exit(main())"
SAMPLE = str(resource_path("SampleData", "procedural_t1.nii.gz"))


def run(out: Path, shell: str) -> subprocess.CompletedProcess:
    command = f'"{sys.executable}" -c "{START}" grade "{SAMPLE}" --side left --out "{out}" {shell}'
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the stream")
def test_a_closed_output_does_not_stop_the_report(tmp_path):
    done = run(tmp_path / "out", ">&-")
    assert done.returncode == 0 and (tmp_path / "out" / "report.html").is_file() and "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("more", ["", "--json "])
def test_an_output_that_is_full_is_said_and_where_the_report_is(tmp_path, more):
    done = run(tmp_path / "out", f"{more}> /dev/full")
    assert done.returncode == 2 and (tmp_path / "out" / "report.html").is_file()
    assert "The report is in" in done.stderr and "error of the program" not in done.stderr


@pytest.mark.parametrize("arguments", [["grade", ""], ["grade", SAMPLE, "--out", ""], ["review", ""]])
def test_an_empty_path_is_not_taken_for_this_folder(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert "is empty" in capsys.readouterr().err and list(tmp_path.iterdir()) == []
