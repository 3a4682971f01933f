"""What takes too long for every day: many killed saves, many writers, many cases.

::

    python Testing/curation/stress.py kills 500        # saves killed at a random instant
    python Testing/curation/stress.py writers 4 200    # processes that save at once, and how many cases each
    python Testing/curation/stress.py large 10000      # time and memory of `status` and `check`

The tests run the first two with small numbers. Data sets and keys are made in a temporary folder.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
from reviewed_hip import Hip

from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.curation.case import entries, layout
from ONFHAssistLib.curation.case.nifti import read_nifti
from ONFHAssistLib.curation.reports.status import status
from ONFHAssistLib.curation.store import journal
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import create_store, open_store
from ONFHAssistLib.curation.store.lists import Patient, list_files, with_patient
from ONFHAssistLib.curation.store.store import Store

HIPS = tuple(Hip(side, seed=seed) for seed in (0, 1) for side in ("right", "left"))


def run(*arguments, **more) -> subprocess.Popen:
    """Start this file in a process of its own."""
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)], env=environment, text=True, **more)


def kills(store: Store, count: int, seed: int = 3) -> dict[str, int]:
    """Save versions of four hips, each killed (SIGKILL); after each the folder must be sound, old or new, complete.

    Needs a process without threads, as it forks.
    """
    rng = random.Random(seed)
    begin = time.monotonic()
    ids = [store.save(hip.case(f"patient {n // 2}", comment="start")).stem for n, hip in enumerate(HIPS)]
    takes_s = (time.monotonic() - begin) / len(HIPS)
    comments = ["start"] * len(HIPS)
    heights = [hip.lesion_mm for hip in HIPS]
    found = {"old": 0, "new": 0, "unfinished": 0}
    for n in range(count):
        which = n % len(HIPS)
        opened = store.reopen(ids[which])
        height = rng.uniform(1, 40)
        masks = HIPS[which].masks(opened.image, height)
        state = rng.choice(["approved", "approved", "draft", "flagged"])
        case = replace(opened, masks=masks, result=grade(masks), comment=f"save {n}", status=state, provenance={})
        child = _fork(lambda case=case: store.save(case))
        time.sleep(rng.uniform(0, 1.5 * takes_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found["unfinished"] += journal.interrupted(store.folder)
        again = open_store(store.folder)
        findings = check(again)
        assert findings == (), f"after kill {n}: {findings}"
        comment = again.record(ids[which]).versions[-1].comment
        assert comment in (comments[which], f"save {n}"), f"after kill {n}: {comment}"
        saved = comment == f"save {n}"
        found["new" if saved else "old"] += 1
        if saved:
            comments[which], heights[which] = comment, height
        for k, case_id in enumerate(ids):
            kept = again.reopen(case_id)
            wanted = HIPS[k].masks(kept.image, heights[k]).whole().necrosis.array
            assert np.array_equal(kept.masks.whole().necrosis.array, wanted), f"after kill {n}: another mask"
            assert kept.comment == comments[k], f"after kill {n}: another comment"
    return found


def write(store: Store, writer: int, each: int) -> list[str]:
    """Save hips of four patients' worth of images; return the names of the cases."""
    hips = [Hip(("right", "left")[n % 2], seed=1000 * writer + n // 2) for n in range(each)]
    return [
        store.save(hip.case(f"patient {writer} {n // 4}", reviewer=f"writer{writer}")).stem
        for n, hip in enumerate(hips)
    ]


def writers(store: Store, count: int, each: int) -> list[str]:
    """Let processes save at once; return the names of all cases."""
    processes = [run("write", store.folder, n, each, stdout=subprocess.PIPE) for n in range(count)]
    names = [json.loads(process.communicate()[0]) for process in processes]
    assert not any(process.returncode for process in processes)
    return [name for listed in names for name in listed]


def large(store: Store, count: int) -> None:
    """Fill a data set with small cases that are made from one, without saving each."""
    first = store.save(Hip(spacing_mm=(8.0, 8.0, 8.0)).case(reviewed_slices=tuple(range(3, 9))))
    facts = json.loads(first.read_text())
    image = read_nifti(store.folder / layout.image_file(first.stem, True))
    files = {path: (store.folder / path).read_bytes() for path in facts["files"]}
    patients, training = {}, {}
    for n in range(count):
        patient = f"p{n // 4:012x}"
        patients = with_patient(patients, patient, "mild") if patient not in patients else patients
        case_id = f"{patient}_{n // 2:010x}_{'RL'[n % 2]}"
        noise = np.random.default_rng(n).integers(0, 900, image.array.shape).astype(np.int16)
        fold = training[case_id] = patients[patient].fold

        def renamed(path: str, case_id=case_id, number=n + 2) -> str:
            return path.replace(first.stem, case_id).replace("history/000001", f"history/{number:06d}")

        contents = {renamed(path): content for path, content in files.items()}
        contents[layout.image_file(case_id, True)] = nifti_bytes(image.like(noise), 1)
        own = json.loads(json.dumps(facts).replace(first.stem, case_id).replace(facts["patient"], patient))
        own["files"] = {path: entries.sha256(content) for path, content in contents.items()}
        own["fold"], entry = fold, own["versions"][0]
        entry["number"] = entry["automatic"]["number"] = own["trained_with"] = n + 2
        case_file = layout.json_bytes(own)
        contents |= {layout.case_file(case_id): case_file, layout.kept_file(n + 2, layout.KEPT_CASE): case_file}
        for path, content in contents.items():
            (store.folder / path).parent.mkdir(exist_ok=True)
            (store.folder / path).write_bytes(content)
    patients[facts["patient"]], training[first.stem] = Patient(facts["fold"], "mild"), facts["fold"]
    for name, content in list_files(store.folder.name, store.modality, patients, training).items():
        (store.folder / name).write_bytes(content)


def measured(what: str, folder: Path) -> None:
    """Print how long `status` or `check` takes and what it says; to be run in a process of its own."""
    import resource  # not on Windows

    store = open_store(folder)
    begin = time.monotonic()
    result = status(store) if what == "status" else check(store)
    took_s = time.monotonic() - begin
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = f"{result.approved} approved" if what == "status" else f"{len(result)} findings {result[:3]}"
    print(f"{what}: {took_s:.1f} s, at most {peak_mb:.0f} MB, {said}")


def _fork(job) -> int:
    child = os.fork()
    if child:
        return child
    try:
        job()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def main() -> None:
    """Do what the command line says, in a temporary folder where none is given."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["kills", "writers", "write", "large", "status", "check"])
    arguments.add_argument("rest", nargs="*")
    given = arguments.parse_args()
    if given.what == "write":
        print(json.dumps(write(open_store(Path(given.rest[0])), *map(int, given.rest[1:]))))
        return
    if given.what in ("status", "check"):
        measured(given.what, Path(given.rest[0]))
        return
    numbers = [int(text) for text in given.rest if text.isdigit()]
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"ONFH_KEYS": f"{place}/keys", "XDG_CACHE_HOME": f"{place}/cache"}
        store = create_store(Path(place) / "Dataset101_Heads")
        begin = time.monotonic()
        if given.what == "kills":
            found = kills(store, *numbers)
            print(f"{sum(found[name] for name in ('old', 'new'))} kills, all sound: {json.dumps(found)}")
        elif given.what == "writers":
            saved = writers(store, *numbers)
            listed = [case.case_id for case in store.cases()]
            assert sorted(saved) == sorted(listed) and len(set(saved)) == len(saved) and check(store) == ()
            print(f"{len(listed)} cases, none lost, none doubled")
        else:
            large(store, *numbers)
            print(f"made in {time.monotonic() - begin:.0f} s")
            for what in ("status", "status", "check"):
                assert run(what, store.folder).wait() == 0
            saving = time.monotonic()
            store.save(Hip().case())
            print(f"save of one more: {time.monotonic() - saving:.2f} s")
        print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
