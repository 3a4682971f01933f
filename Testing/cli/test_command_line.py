"""How the command line behaves towards its user."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ONFHAssistLib import __version__, cli

SLOW = Path(__file__).with_name("slow_grade.py")
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ONFHAssistLib.cli", *map(str, arguments)]


def test_the_table_shows_both_hips_with_their_reasons(image, analysis, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("grade", image, "--out", tmp_path / "out") == 0
    text = capsys.readouterr().out
    for part in (
        "For research use",
        "severe (borderline)",
        "31.4 % of head volume > 30 %: severe",
        "90 % interval 28.2 % to 35.1 %, across 30 %: look first at slices 4 and 3",
        "C1",
        "passes two thirds [66.7 %]",
        "51.7",
        "15.7 / 50.0 ml = 31.4 %",
        "not graded: There is metal in the left hip.",
        "Warning: Metal was found in the image.",
        "Engine: OpenVINO 2026.4.1, device cpu",
        str(tmp_path / "out" / "report.html"),
    ):
        assert part in text
    assert (tmp_path / "out" / "report.html").exists()


def test_the_report_is_a_pdf_too_where_it_is_asked_for(image, analysis, tmp_path):
    pytest.importorskip("reportlab")
    assert run("grade", image, "--out", tmp_path / "out", "--pdf") == 0
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert run("grade", image, "--out", tmp_path / "out") == 0
    assert not (tmp_path / "out" / "report.pdf").exists()


def test_json_prints_the_report_and_nothing_else(image, analysis, tmp_path, capfd, monkeypatch):
    from ONFHAssistLib import analysis as module

    quiet = module.analyse
    monkeypatch.setattr(module, "analyse", lambda *a, **b: print("a library talks on stdout") or quiet(*a, **b))
    assert run("grade", image, "--out", tmp_path / "out", "--json") == 0
    printed = capfd.readouterr().out
    assert printed == (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
    assert [hip["side"] for hip in json.loads(printed)["hips"]] == ["right", "left"]


def test_a_terminal_without_a_degree_sign_gets_the_table_and_json_stays_utf_8(image, tmp_path):
    for options, expected in (([], b"118? + 142? = 260?: grade 3"), (["--json"], "118° + 142° = 260°".encode())):
        result = subprocess.run(
            [sys.executable, str(SLOW), "not at all", "grade", str(image), "--out", str(tmp_path / "out"), *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "COLUMNS": "120"},
            capture_output=True,
        )
        assert (result.returncode, result.stderr) == (0, b"")
        assert expected in result.stdout


def test_the_patient_is_named_only_when_asked_for(image, analysis, tmp_path, capfd):
    run("grade", image, "--out", tmp_path / "plain", "--json")
    run("grade", image, "--out", tmp_path / "named", "--json", "--identify")
    plain, named = (tmp_path / name / "report.json" for name in ("plain", "named"))
    assert "Doe" not in plain.read_text(encoding="utf-8") and "4711" not in plain.read_text(encoding="utf-8")
    assert "Doe^Jane" in named.read_text(encoding="utf-8")


def test_the_choices_reach_the_analysis(image, analysis, tmp_path, capfd):
    head = ("--head", "right:85,-10.5,2e1", "--head", "left:-85,10,20,23.5")
    assert run("grade", image, "--out", tmp_path / "out", "--device", "cpu", *head) == 0
    options = analysis["options"]
    assert (options.sides, options.device) == (("right", "left"), "cpu")
    assert [(seed.side, seed.centre_ras_mm, seed.radius_mm) for seed in options.heads] == [
        ("right", (85.0, -10.5, 20.0), None),
        ("left", (-85.0, 10.0, 20.0), 23.5),
    ]
    run("grade", image, "--out", tmp_path / "out", "--engine", "torch", "--precision", "bf16")
    assert (analysis["options"].engine, analysis["options"].precision) == ("torch", "bf16")
    run("grade", image, "--out", tmp_path / "out", "--side", "left")
    assert (analysis["options"].engine, analysis["options"].precision) == ("auto", "auto")
    assert (analysis["options"].sides, analysis["options"].device) == (("left",), "auto")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--head", "right:1,2"], "is not a centre"),
        (["--head", "right:1,2,3,4,5"], "is not a centre"),
        (["--head", "right:1,2,x"], "is not a centre"),
        (["--head", "right:1,2,nan"], "is not a centre"),
        (["--head", "right:1e308,2,3"], "is not a centre"),
        (["--head", "middle:1,2,3"], "is not a centre"),
        (["--head", "1,2,3"], "is not a centre"),
        (["--head", "right:1,2,3,400"], "radius of 400 mm"),
        (["--head", "right:1,2,3,-4"], "radius of -4 mm"),
        (["--head", "right:1,2,3", "--head", "right:1,2,4"], "twice for the right hip"),
        (["--head", "right:1,2,3", "--side", "left"], "--side leaves it out"),
        (["--side", "middle"], "'middle' is not one of"),
        (["--device", "tpu"], "'tpu' is not one of"),
        (["--engine", "onnx"], "'onnx' is not one of"),
        (["--precision", "int8"], "'int8' is not one of"),
        (["--colour"], "--colour"),
    ],
)
def test_a_wrong_option_is_refused_with_one_sentence(image, analysis, tmp_path, capfd, options, part):
    assert run("grade", image, "--out", tmp_path / "out", *options) == 2
    captured = capfd.readouterr()
    assert part in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert not (tmp_path / "out").exists() and not analysis


def test_an_output_folder_that_cannot_be_written_is_refused_before_the_work(image, analysis, tmp_path, capfd):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/onfh-report")):
        assert run("grade", image, "--out", out) == 2
        assert f"The output folder {out} cannot be written" in capfd.readouterr().err
    assert not analysis and (tmp_path / "file").read_text() == "mine"


def test_the_check_of_the_output_folder_leaves_nothing_behind(tmp_path):
    cli.check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_program_is_one_sentence_without_data_of_the_patient(image, tmp_path, capfd, monkeypatch):
    def fail(*_, **__):
        raise IndexError("/home/Doe_Jane/scan.dcm")

    monkeypatch.setattr("ONFHAssistLib.analysis.analyse", fail)
    monkeypatch.delenv("ONFH_DEBUG", raising=False)
    assert run("grade", image, "--out", tmp_path / "out") == 1
    text = capfd.readouterr().err
    assert "IndexError" in text and "report it" in text and text.count("\n") == 1
    assert "Doe" not in text and "Traceback" not in text
    assert run("grade", image, "--out", tmp_path / "out", "--debug") == 1
    assert "Traceback" in capfd.readouterr().err
    monkeypatch.setenv("ONFH_DEBUG", "1")
    assert run("grade", image, "--out", tmp_path / "out") == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to a process of one's own")
@pytest.mark.parametrize("stage", ["reading", "importing", "analysing", "cooperating", "writing"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stop_ends_the_run_cleanly(image, tmp_path, stage, number):
    process = subprocess.Popen(
        [sys.executable, str(SLOW), stage, "grade", str(image), "--out", str(tmp_path / "deep" / "out")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "onfh-assist: stopped; nothing was written.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to a process of one's own")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stop_that_comes_too_late_is_not_told_as_one(image, analysis, tmp_path, capfd, monkeypatch, number):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text("old")
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: replace(*paths) or signal.raise_signal(number))
    assert run("grade", image, "--out", tmp_path / "out", "--json") == 0
    captured = capfd.readouterr()
    assert captured.out == (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
    assert captured.err == ""


def test_a_stop_after_the_report_was_written_does_not_say_that_nothing_was(
    image, analysis, tmp_path, capfd, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "print_result", interrupted)
    assert run("grade", image, "--out", tmp_path / "out") == 130
    assert capfd.readouterr().err == "onfh-assist: stopped.\n" and (tmp_path / "out" / "report.html").exists()


def test_a_start_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, ONFHAssistLib.cli; print(sorted({'torch', 'monai', 'matplotlib', 'openvino', 'SimpleITK', 'scipy'}"
    )
    code += " & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "[]\n"


def test_the_version_is_printed():
    result = subprocess.run(command("--version"), cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, f"onfh-assist {__version__}\n")


def test_help_says_that_it_is_for_research_use(capsys):
    assert run("--help") == 0
    assert "research use" in capsys.readouterr().out.lower()
