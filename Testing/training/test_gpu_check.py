"""The check of a CUDA card, tried out on the CPU."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

from training import gpu_check  # noqa: E402
from training.benchmarks import gpu, gpu_parts  # noqa: E402


def run(monkeypatch, *arguments):
    """Exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["gpu_check", *map(str, arguments)])
    try:
        gpu_check.main()
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Figures of the whole script on the CPU, with the sample study."""
    folder = tmp_path_factory.mktemp("gpu_check")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONFH_DATA", str(folder))
        assert run(patch, "--device", "cpu", "--quick", "--out", folder / "made" / "check.json") == 0
    return json.loads((folder / "made" / "check.json").read_text())


def test_on_the_cpu_every_part_is_measured(quick):
    assert quick["failed"] == {} and quick["left_out"] == []
    assert (quick["study"], quick["device"], quick["quick"]) == ("procedural_t1.nii.gz", "cpu", True)
    assert list(quick["parts"]) == list(gpu.parts("cpu", gpu.QUICK, Path("study.nii.gz")))
    assert all(gpu.words(part) for part in quick["parts"].values())
    assert not any("card_mib" in part for part in quick["parts"].values())


def test_the_masks_of_each_engine_and_precision_are_compared_with_f32(quick):
    parts = quick["parts"]
    exact, half = parts["study, torch f32"], parts["study, torch bf16"]
    same = exact["against openvino f32"]
    assert min(same["head_dice"], same["necrosis_dice"]) > 0.999 and same["ratio_points"] < 0.05
    assert "(bf16)" in half["engine"] and "bf16" not in exact["engine"]
    for name in ("against openvino f32", "against torch f32"):
        assert 0.97 < half[name]["necrosis_dice"] <= 1 and 0.97 < half[name]["head_dice"] <= 1
        assert half[name]["ratio_points"] < 1
    assert half["against torch f32"]["head_dice"] < 1  # bf16 does shift them: another precision was run
    assert parts["command line, cold"]["median_s"] > 0.5 and exact["median_s"] > 0.05


@pytest.mark.parametrize(("name", "gflop"), [("anatomy", (2.5, 4.5)), ("necrosis", (1.8, 3.3))])
def test_images_a_second_arithmetic_and_share_of_the_peak_belong_together(quick, name, gflop):
    for batch in gpu.QUICK.batches:
        part = quick["parts"][f"training, {name}, batch {batch}"]
        peak = quick["parts"][f"matrices, {part['precision']}"]["tflop_s"]
        assert part["batch"] == batch and part["images_s"] > 0
        assert gflop[0] < 1000 * part["tflop_s"] / part["images_s"] < gflop[1]  # of one image, forward and back
        assert part["share"] == pytest.approx(part["tflop_s"] / peak, rel=0.01) and part["share"] > 0


def test_without_a_card_one_sentence_says_so_and_nothing_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(monkeypatch, "--out", tmp_path / "check.json") == 2
    said = capsys.readouterr()
    assert "no CUDA card" in said.err and len(said.err.splitlines()) == 1 and said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_without_torch_one_sentence_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run(monkeypatch, "--out", tmp_path / "check.json") == 2
    assert "torch is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--budget", "nan"), ("--budget", "-1"), ("--budget", "9999"), ("--out", ".")])
def test_a_budget_or_a_file_that_cannot_be_is_refused(monkeypatch, arguments):
    assert run(monkeypatch, "--device", "cpu", "--quick", *arguments) == 2


class Clock:
    """Stands still but for what parts take."""

    now = 100.0

    def __call__(self):
        return self.now

    def part(self, seconds):
        def measure():
            self.now += seconds
            return {"images_s": 1.0}

        return measure


def test_no_part_begins_once_the_time_is_spent_and_what_was_left_out_is_told():
    clock, kept = Clock(), []
    todo = {name: clock.part(200) for name in "abcd"}
    figures = gpu.run_parts(todo, 100 + 420, lambda f: kept.append(json.dumps(f)), clock)
    assert list(figures["parts"]) == ["a", "b", "c"] and figures["left_out"] == ["d"]
    # What is known is kept at once: a run that is killed loses one part only.
    assert [len(json.loads(text)["parts"]) for text in kept] == [0, 1, 2, 3]
    assert json.loads(kept[0])["left_out"] == list("abcd")
    assert gpu.run_parts(todo, clock.now + 800, kept.append, clock)["left_out"] == []


def test_without_time_the_command_names_all_it_left_out(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, "--device", "cpu", "--quick", "--budget", 0, "--out", tmp_path / "check.json") == 0
    said = capsys.readouterr().out
    names = json.loads((tmp_path / "check.json").read_text())["left_out"]
    assert len(names) == 10 and all(name in said for name in names)


def test_a_part_that_fails_is_named_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    def fail():
        raise RuntimeError("CUDA error:\nan illegal access")

    monkeypatch.setattr(gpu_check, "parts", lambda *_: {"one": fail, "two": lambda: {"images_s": 7.0}})
    assert run(monkeypatch, "--device", "cpu", "--out", tmp_path / "check.json") == 1
    figures = json.loads((tmp_path / "check.json").read_text())
    assert figures["failed"] == {"one": "RuntimeError: CUDA error: an illegal access"}
    assert figures["parts"] == {"two": {"images_s": 7.0}} and figures["left_out"] == []
    said = capsys.readouterr()
    assert "7 images/s" in said.out and "one" in said.err


def test_on_a_card_mixed_fp16_and_large_batches_are_measured_too():
    names = list(gpu.parts("cuda", gpu.FULL, Path("study.nii.gz")))
    assert "study, torch fp16" in names and "training, necrosis, batch 512" in names
    assert names.index("matrices, bf16") < names.index("training, anatomy, batch 16")


def test_a_batch_too_large_for_the_card_is_halved(monkeypatch):
    tried = []

    def train_for(name, batch, *_):
        tried.append(batch)
        if batch > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"batch": batch}

    monkeypatch.setattr(gpu_parts, "train_for", train_for)
    limit = 128
    assert gpu_parts.training_part("anatomy", 512, "cpu", 1, {}) == {"batch": 128} and tried == [512, 256, 128]
    limit = 0
    with pytest.raises(torch.OutOfMemoryError):
        gpu_parts.training_part("anatomy", 32, "cpu", 1, {})


def test_networks_that_fell_back_to_the_cpu_are_no_figure_of_the_card(monkeypatch):
    from ONFHAssistLib.core.resources import resource_path

    opened = gpu_parts.open_models("cpu")
    monkeypatch.setattr(gpu_parts, "open_models", lambda *_: opened)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 0)
    monkeypatch.setattr(gpu_parts, "timed", lambda *_: ({}, None))
    study = resource_path("SampleData", "procedural_t1.nii.gz")
    with pytest.raises(RuntimeError, match="ran on cpu, not on cuda"):
        gpu_parts.study_part("study, torch f32", study, "cuda", "torch", "f32", 1, {})
