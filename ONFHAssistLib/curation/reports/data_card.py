"""The data card of an export as Markdown."""

import html
import re
from collections import Counter
from collections.abc import Mapping

from ONFHAssistLib.core.plain import UNSET, Unset
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.labels import CaseLabel
from ONFHAssistLib.curation.case.reviewed import LABELS
from ONFHAssistLib.curation.reports.export_lock import LOCK, ExportLock


def data_card(lock: ExportLock, sums: Mapping[str, str]) -> str:
    """Return the data card as Markdown: what the export holds, where it comes from, and the checksum of every file."""
    cases = lock.cases
    counts: dict[str, Counter[str]] = {
        "Steinberg": Counter(_text(case.grades.get("steinberg")) for case in cases),
        "JIC": Counter(_text(case.grades.get("jic")) for case in cases),
        "Side": Counter(case.side for case in cases),
        "Plane": Counter(case.plane for case in cases),
        "Sequence": Counter(case.sequence or "unknown" for case in cases),
        "Reader": Counter(case.reviewer for case in cases),
        **{f"{one.capitalize()} mask": Counter(case.provenance[one] for case in cases) for one in LABELS},
        "Only some slices reviewed": Counter("yes" if case.partly_reviewed else "no" for case in cases),
    }
    models = {f"{_said(m.name)} {_said(m.version)}, {_said(m.licence)}" for c in cases for m in c.models}
    rows = [
        f"| {what} | {', '.join(f'{_plain(k)}: {n}' for k, n in sorted(of.items()))} |" for what, of in counts.items()
    ]
    folds = [
        f"| {fold} | {len(own)} | {len({case.patient for case in own})} |"
        for fold in range(layout.N_FOLDS)
        if (own := [case for case in cases if case.fold == fold])
    ]
    return "\n".join(
        [
            f"# Data card: {_plain(lock.data_set)}, version {lock.version}",
            "",
            f"{_counted(len(cases), 'femoral head')} of {_counted(len({case.patient for case in cases}), 'patient')} "
            "with their osteonecrosis, reviewed, each in the pose of a right hip. For research use. Patients have "
            "pseudonyms; nothing else of theirs is in the files.",
            "",
            f"- Condition: `{_plain(lock.where)}`",
            f"- Format: {lock.layout}; modality {lock.modality}",
            f"- Labels: {', '.join(f'{int(label)} {label.name.lower()}' for label in CaseLabel)}. Ignore marks slices "
            "that nobody has reviewed; software that does not know it must leave them out.",
            f"- Made by ONFHAssist {lock.software}. `onfh-assist data export {lock.data_set} --lock {LOCK} --out "
            "FOLDER` makes it again, bit for bit.",
            "",
            "## Counts",
            "",
            "| what | cases |",
            "|---|---|",
            *rows,
            "",
            "## Sources and licences",
            "",
            f"- Images: the data set {_plain(lock.data_set)} (fingerprint of its key {lock.key_fingerprint}); licence: "
            f"{_plain(lock.licence)}.",
            *(f"- Masks, before they were corrected: {_plain(model)}." for model in sorted(models)),
            "",
            "## Splits",
            "",
            "By patient; a patient's fold never changes.",
            "",
            "| fold | cases | patients |",
            "|---|---|---|",
            *folds,
            "",
            "## Files",
            "",
            "| SHA-256 | file |",
            "|---|---|",
            *(f"| {digest} | {path} |" for path, digest in sorted(sums.items())),
            "",
        ]
    )


def _plain(text: str) -> str:
    """Return a text that a case, or who exports, has given: in one line, and no markup."""
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _text(grade: str | int | None) -> str:
    return "none" if grade is None else str(grade)


def _said(fact: str | Unset) -> str | None:
    return None if fact is UNSET else fact


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
