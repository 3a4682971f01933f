"""The command: prints what was found, and ends with 1 if anything was."""

import argparse
import sys
from collections import Counter

from Testing.fuzz.targets import KINDS
from Testing.fuzz.watch import Finding, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m Testing.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="in all, shared among the kinds")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--keep", metavar="DIR", help="keep the input of each finding there")
    given = parser.parse_args()

    def tell(finding: Finding) -> None:
        print(f"{finding.what:10} {finding.kind} {finding.number}: {finding.detail}", flush=True)

    found, done, peak = fuzz(given.cases, given.kinds, given.first, given.children, given.keep, tell)
    counts = ", ".join(f"{n} x {what}" for what, n in sorted(Counter(f.what for f in found).items())) or "nothing found"
    print(f"{done} cases, peak {peak / 2**20:.0f} MB: {counts}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
