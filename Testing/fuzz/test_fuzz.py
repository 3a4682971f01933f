"""The fuzzer itself, and a part of what it is run with before a release."""

import sys
from pathlib import Path

import pytest

from Testing.fuzz import child, watch
from Testing.fuzz.mutate import mutate
from Testing.fuzz.seeds import make_seeds
from Testing.fuzz.targets import KINDS, use

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by Linux's /proc")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return make_seeds(tmp_path_factory.mktemp("fuzz") / "seeds")


@pytest.mark.parametrize(
    ("kinds", "cases"), [(("nifti", "nrrd", "mha"), 1200), (("dicom",), 450), (("case",), 200), (("bundle",), 150)]
)
def test_two_thousand_changed_headers_end_in_a_sentence_and_nothing_else(kinds, cases):
    found, done, peak = watch.fuzz(cases, kinds)
    assert done == cases and peak < watch.PEAK_BYTES
    assert [f"{f.what} {f.kind} {f.number}: {f.detail}" for f in found] == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_seed_is_sound_before_it_is_changed(kind, seeds, tmp_path, monkeypatch):
    import shutil

    from Testing.fuzz import targets

    refusals = []
    monkeypatch.setattr(targets, "refused", lambda action, *given: action(*given) and False)
    for n, seed in enumerate(seeds[kind]):
        place = shutil.copytree(seed, tmp_path / str(n))
        try:
            use(kind, place)
        except Exception as error:
            refusals.append(f"{seed.name}: {error}")
    assert refusals == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_names_the_same_change_each_time_and_changes_differ(kind, seeds, tmp_path):
    import shutil

    def changed(number: int, name: str) -> list[bytes]:
        place = shutil.copytree(seeds[kind][0], tmp_path / name)
        mutate(place, kind, number)
        return [path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()]

    assert changed(1, "a") == changed(1, "b")
    assert len({tuple(changed(n, f"c{n}")) for n in range(2, 12)}) >= 8


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import os; os.abort()", "crash"),
        ("while True: pass", "hang"),
        ("raise KeyError('x')", "traceback"),
        ("(folder / 'left').write_text('x')", "files"),
        ("(folder.parent / 'outside' / 'precious').unlink()", "files"),
        ("import numpy; numpy.ones(5 * 2**26)", "memory"),
    ],
)
def test_what_goes_wrong_is_noticed(code, what, tmp_path, monkeypatch):
    """The child runs a target that does it."""
    script = tmp_path / "bad_child.py"
    script.write_text(
        f"from Testing.fuzz import child\ndef use(kind, folder):\n    {code}\nchild.use = use\nchild.main()\n"
    )
    # Only a hang is waited for: a slow machine needs some seconds to fill the memory that is too much.
    monkeypatch.setattr(watch, "SECONDS", 8.0 if what == "hang" else 120.0)
    started = watch._Child.__init__

    def other(self, place: Path, seeds) -> None:
        started(self, place, seeds)
        self._command[1:3] = [str(script)]

    monkeypatch.setattr(watch._Child, "__init__", other)
    found, done, _ = watch.fuzz(1, ["nifti"], children=1)
    assert done == 1 and [finding.what for finding in found] == [what]
    assert child.ADDRESS_SPACE > watch.PEAK_BYTES
