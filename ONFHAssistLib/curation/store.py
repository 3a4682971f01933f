"""Save reviewed cases into a folder (for now: one folder a case)."""

import hashlib
import json
from pathlib import Path

import numpy as np

from ONFHAssistLib.curation.case import ReviewedCase
from ONFHAssistLib.exchange.publish import publish


def save_into(case: ReviewedCase, folder: Path) -> Path:
    """Write image, masks and facts of a case, all or nothing; return the case's file."""
    name = case.case_id or hashlib.sha256(case.patient_code.encode()).hexdigest()[:12] + "_" + case.side[0].upper()

    def arrays(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(
                file, image=case.image.array, head=case.masks.head.array, necrosis=case.masks.necrosis.array
            )

    facts = {"side": case.side, "status": case.status, "reviewer": case.reviewer, "comment": case.comment}
    publish(
        Path(folder) / name,
        {"arrays.npz": arrays, "case.json": lambda path: path.write_text(json.dumps(facts), encoding="utf-8")},
    )
    return Path(folder) / name / "case.json"
