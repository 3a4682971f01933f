"""Compare two bundles on cases that neither has seen: ``python -m training.compare OLD NEW --data DIR``.

OLD and NEW are names, ids (``onfh-assist models list``) or folders of two anatomy or two necrosis networks. Each goes
the whole way from the head's centre to masks, with the other networks that are in use, on the approved cases of a data
set (or of an export of one) whose patients neither network has learned from or been chosen by
(``learned_from`` in a bundle's metadata; fold 4 unless ``training.train`` was told otherwise).

For each figure the difference of the two is taken case by case, and its 95 % interval by drawing patients with
replacement. A figure is better where the interval leaves out 0. A network is better if some figure is, and none is
worse; else, and with fewer than five patients, it is inconclusive.

``--out`` gets ``comparison.json`` (all numbers, case by case) and ``comparison.html`` (figures, Bland-Altman plots, the
ten cases that changed most, with pictures).
"""

import argparse
import sys
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.installed import find_bundle
from training.measuring.comparison import as_json, compare, write
from training.measuring.comparison_page import page, summary


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD", help="name, id or folder of a bundle")
    parser.add_argument("new", metavar="NEW", help="the same of the other one")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="data set, or an export of one")
    parser.add_argument("--out", type=Path, default=Path("comparison"), help="folder of the report")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    options = parser.parse_args()

    def say(done: int, of: int) -> None:
        print(f"\r{done} of {of} cases", end="\n" if done == of else "", file=sys.stderr, flush=True)

    try:
        outcome, shown = compare(find_bundle(options.old), find_bundle(options.new), options.data, options.device, say)
        write(options.out, {"comparison.json": as_json(outcome), "comparison.html": page(outcome, shown)})
    except InputError as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"The report could not be written to {options.out}: {error.strerror or error}.\n")
    print(summary(outcome))
    print(f"Written to {options.out}.")


if __name__ == "__main__":
    main()
