"""Calibrate the interval of the necrosis ratio: ``python -m training.calibrate [--data DIR] [--bundles FOLDER]``.

Sought are two probabilities: the ratio of what is more probable than the one and that of what is more probable than the
other shall hold the true ratio between them in 90 % of hips (``core/necrosis.py``). What is not known of the head's own
outline comes on top: half a pixel of the anatomy network. They are written into ``metadata.json`` of the necrosis
bundle in FOLDER, or of the one in use, in the place of those that it had; weights and checksums stay. A bundle that is
trained anew has none until it is calibrated.

Without ``--data`` lesions are painted into the heads of the training patients that no network learned from
(``VALIDATION_CASES``), and each head is graded once without one: as T1, and with ``--sequences`` also recast to T2
and fat suppression (``phantoms/recast.py``). All go the whole way through the software. 90 % are held in the hips of
each patient on each sequence, also of a patient who was not calibrated on: that is tried on each with the others.

With ``--data`` a network is calibrated with the approved cases of a data set (or of an export of one) whose patients it
has not learned from: of a network that was trained on with it, the fold that was kept out. Each goes from its head's
centre to masks; the reader's ratio is the truth. Cases with slices that nobody reviewed are left out, as their ratio is
not known. Hips of a sequence with and without necrosis are groups of their own: 90 % of the latter would say little of
the former. A sequence needs FEWEST_HIPS with necrosis, and on others there is no interval; an export of one sequence
keeps out what widens it. That 90 % are held is proven for hips that are drawn independently. Those of a patient are
alike, so with few patients the interval may be too narrow.
"""

import argparse
import json
import os
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from training.measuring.calibration import (
    SEQUENCES,
    find_bundles,
    head_mm,
    with_painted_lesions,
    with_reviewed_cases,
    write,
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="calibrate with a data set, or an export of one")
    parser.add_argument("--bundles", type=Path, metavar="FOLDER", help="calibrate the necrosis bundle in this folder")
    parser.add_argument("--count", type=int, default=50, help="without --data: lesions to paint into each head")
    parser.add_argument(
        "--sequences", nargs="+", choices=SEQUENCES, default=["T1"], help="without --data: of the painted lesions"
    )
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what the processes inherit
    try:
        anatomy, necrosis = find_bundles(options.bundles)
        if options.data:
            outcome = with_reviewed_cases(options.data, anatomy, necrosis)
        else:
            outcome = with_painted_lesions(options.count, options.bundles, options.sequences)
        write(necrosis, outcome, head_mm(anatomy))
    except InputError as error:
        parser.exit(2, f"{error}\n")
    except OSError as error:
        parser.exit(2, f"The calibration could not be written to {necrosis.folder}: {error.strerror or error}.\n")
    print(*outcome.notes, json.dumps(outcome.summary, indent=1), sep="\n")


if __name__ == "__main__":
    main()
