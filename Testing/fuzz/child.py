"""The child: makes and reads one case for each line of standard input, and answers each with a line."""

import json
import logging
import os
import resource
import shutil
import sys
import traceback
import warnings
from pathlib import Path

from Testing.fuzz.mutate import mutate
from Testing.fuzz.targets import import_all, use

ADDRESS_SPACE = 8 * 2**30
"""A case that wants more gets a MemoryError, and the machine that runs the tests lives on."""


def main() -> None:
    work, seeds = Path(sys.argv[1]), json.loads(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import_all()
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        kind, number = line.split()
        answers.write(json.dumps(_case(work, seeds[kind], kind, int(number))) + "\n")
        answers.flush()


def _case(work: Path, seeds: list[str], kind: str, number: int) -> dict[str, object]:
    folder = work / "input"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(seeds[number % len(seeds)], folder)
    done = mutate(folder, kind, number)
    before = _files(work, kind)
    _forget_peak()
    answer: dict[str, object] = {"done": done, "error": ""}
    try:
        use(kind, folder)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "ONFHAssistLib" in f.filename]
        place = ours[-1] if ours else last
        answer["error"] = f"{type(error).__name__}: {str(error)[:150]} ({Path(place.filename).name}:{place.lineno})"
    answer["peak"] = _peak()
    after = _files(work, kind)
    answer["left"] = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))[:3]
    return answer


def _files(work: Path, kind: str) -> dict[str, tuple[int, int]]:
    """Size and time of what must stay as it is: all but a data set that is repaired, and the program's own caches."""
    found = {}
    for root, below, names in os.walk(work):
        below[:] = [name for name in below if name != "settings" and not (kind == "case" and name == "input")]
        for name in (*names, *below):
            status = os.lstat(os.path.join(root, name))
            size = status.st_size if name in names else 0
            found[os.path.relpath(os.path.join(root, name), work)] = (size, status.st_mtime_ns if name in names else 0)
    return found


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    main()
