"""Drafts on the disk: what the networks made of a study, and how far its reader has come; written off the main thread.

``made.json`` changes with an analysis, ``now.json`` with each stroke. Both carry the fingerprint of the image, so that
a draft is never laid over another one. Nothing in them names the patient.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.core.files import write_private
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.outside import read_json
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.exchange.publish import reason
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff, unpacked

MADE, NOW = "made.json", "now.json"
ASIDE = ".damaged"
"""Ending of what is kept but cannot be read."""
RETRY_S = 5.0
Plain = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """What was read back.

    Attributes:
        result: what the networks made of the study.
        now: how the reader left the hips, for `Review.take_up`, which checks it; empty where they are as the networks
            made them.
        reviewer: the reader's code, or "".
        reviewed: of each side the slices that the reader stands for; None: all.
        signed: of each side what the reader has said of it.
        saved: sides that are saved as cases as they are here.
        seen: of a case, the number of its newest version when the draft was begun; None for a study.
    """

    result: StudyResult
    now: Mapping[Side, Any] = field(default_factory=dict)
    reviewer: str = ""
    reviewed: Mapping[Side, Sequence[int] | None] = field(default_factory=dict)
    signed: Mapping[Side, SignOff] = field(default_factory=dict)
    saved: Sequence[Side] = ()
    seen: int | None = None

    @property
    def says_something(self) -> bool:
        """Whether there is more than what the networks made."""
        return bool(self.now or self.reviewed or self.signed)


@dataclass(frozen=True)
class Damaged:
    """What the networks made of a study cannot be read any more, and so neither what a reader made of that.

    Attributes:
        why: in words.
    """

    why: str

    @property
    def sentence(self) -> str:
        """What is told of it."""
        return f"The draft of this study is damaged ({self.why}) and was put aside; analyse the study again."


def fingerprint(study: Study) -> str:
    """Return what tells an image from any other: a digest of its voxels and its place."""
    digest = hashlib.sha256(np.ascontiguousarray(study.volume.array).view(np.uint8).data)
    digest.update(np.round(study.volume.ijk_to_ras, 4).tobytes())
    return digest.hexdigest()[:32]


def read(folder: Path, study: Study, mark: str) -> Draft | Damaged | None:
    """Return what is kept of a study; None where there is nothing, or it belongs to another image.

    What is damaged is put aside: its files stay in their folder, with ASIDE at the end of their names. Where only what
    the reader has made of it is damaged, ``now`` holds hips that are none: `Review.take_up` tells so.
    ``mark`` is the study's `fingerprint`.
    """
    try:
        made = _load(folder / MADE)
        if from_plain(str, made.get("image")) != mark:
            return None
        result, automatic = unpacked(made.get("made"), study.volume)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _put_aside(folder)
        return Damaged(str(error) if isinstance(error, ValueError) else "its file can't be read")
    result = replace(result, source=study.source, patient=study.patient)
    try:
        now = from_plain(_Now, _load(folder / NOW))
        if now.image != mark:
            return Draft(result)
        if not all(0 <= k < study.volume.shape[0] for slices in now.reviewed.values() for k in slices or ()):
            raise ValueError("slices that the image does not have")
    except OSError:
        return Draft(result)
    except ValueError:
        return Draft(result, dict.fromkeys(automatic))
    signed = now.signed or {side: SignOff(comment=now.comment) for side in now.hips if now.comment}
    return Draft(result, now.hips, now.reviewer, now.reviewed, signed, now.saved, now.seen)


@dataclass(frozen=True)
class _Now:
    """What ``now.json`` holds, see `Draft`; the one ``comment`` is that of version 0.1.0."""

    image: str = ""
    hips: dict[Side, Any] = field(default_factory=dict)
    reviewer: str = ""
    reviewed: dict[Side, tuple[int, ...] | None] = field(default_factory=dict)
    signed: dict[Side, SignOff] = field(default_factory=dict)
    saved: tuple[Side, ...] = ()
    comment: str = ""
    seen: int | None = None


def says_more(review: Review) -> bool:
    """Say whether a reader has changed or said anything of a study."""
    said = (
        review.changed(s) or review.reviewed(s) is not None or review.sign_off(s) != SignOff() for s in review.sides
    )
    return review.unsaved or any(said)


def present(review: Review, reviewer: str, seen: int | None) -> Plain:
    """Return what is kept of how a reader has left a study; see `Draft`."""
    return {
        "hips": review.now(),
        "reviewer": reviewer,
        "reviewed": {side: review.reviewed(side) for side in review.sides},
        "signed": {side: to_plain(review.sign_off(side)) for side in review.sides},
        "saved": [side for side in review.segmented if side not in review.unsaved_sides],
        "seen": seen,
    }


def take_up(kept: Draft, review: Review) -> None:
    """Let a review go on with a draft; can be undone.

    Raises:
        InputError: see `Review.take_up`.
    """
    review.take_up(kept.now)
    for side in review.sides:
        review.set_reviewed(side, kept.reviewed.get(side))
        review.set_sign_off(side, kept.signed.get(side, SignOff()))
    for side in review.segmented:
        if side in kept.saved:
            review.mark_as_stored(side)


def forget(review: Review, stored: tuple[OpenCase, ReviewedCase] | None) -> None:
    """Let a review go back to the automatic result of all hips, or to how its case was stored; can be undone.

    Raises:
        InputError: the image was changed or moved; the draft stays as it is.
    """
    review.update()  # what can't be measured any more is told before anything is changed
    opened, case = stored or (None, None)
    for side in review.segmented:
        if case is None:
            review.reset(side)
        else:
            review.take_over(side, case.masks, "the data set", case.reviewed_slices)
    if opened is not None:
        review.renew(opened)
    for side in review.sides:
        review.set_reviewed(side, case.reviewed_slices if case else None)
        review.set_sign_off(side, SignOff(status=case.status, comment=case.comment) if case else SignOff())
        if side in review.segmented:
            review.mark_as_stored(side)


class Writer:
    """Writes in a thread of its own, in the order given; of several drafts of one file only the last counts.

    What could not be written is tried again every RETRY_S seconds, and once more at the end.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        """``told`` is called, in that thread, with the reason when writing fails, and with "" once it works again."""
        self._told = told
        self._waiting: dict[Path, Plain | None] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="drafts", daemon=True)
        self._thread.start()

    def put(self, path: Path, content: Plain | None) -> None:
        """Write a file soon, all of it or nothing; None removes it."""
        with self._wake:
            self._waiting.pop(path, None)
            self._waiting[path] = content
            self._wake.notify()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while True:
            with self._wake:
                if failing:
                    self._wake.wait_for(lambda: self._closing, RETRY_S)
                else:
                    self._wake.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                path = next(iter(self._waiting))
                content = self._waiting.pop(path)
            try:
                write(path, content)
            except OSError as error:
                with self._wake:
                    self._waiting.setdefault(path, content)
                    if self._closing:
                        return
                failing = True
                self._told(reason(error))
            else:
                if failing:
                    self._told("")
                failing = False


def write(path: Path, content: Plain | None) -> None:
    """Let a file have this content, or with None let it be gone, whenever the power fails; nobody else can read it.

    Raises OSError.
    """
    if content is None:
        path.unlink(missing_ok=True)
        return
    write_private(path, json.dumps(content).encode())


def _put_aside(folder: Path) -> None:
    for name in (MADE, NOW):
        with contextlib.suppress(OSError):  # it is not there, or has to stay where it is
            (folder / name).replace(folder / f"{name}{ASIDE}")


def _load(path: Path) -> Plain:
    found = read_json(path)
    if not isinstance(found, dict):
        raise ValueError("no draft")
    return found
