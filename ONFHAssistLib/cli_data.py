"""``onfh-assist data …``: what a data set of reviewed cases holds, and whether it is sound."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ONFHAssistLib.curation.case.history import Save
    from ONFHAssistLib.curation.reports.next_cases import Candidate
    from ONFHAssistLib.curation.reports.status import DataStatus
    from ONFHAssistLib.curation.store.store import Store

FAULTS_FOUND = 3
"""Exit code of a check that has found something that is not mended."""

data = typer.Typer(no_args_is_help=True, help="Look after a data set of reviewed cases.")


class ExportFormat(StrEnum):
    """The software that shall read an export."""

    nnunet = "nnunet"
    monai = "monai"
    monailabel = "monailabel"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The data set: DatasetNNN_Name.", show_default=False)]
CaseName = Annotated[str, typer.Argument(metavar="CASE", help="Its name in the data set.", show_default=False)]


@data.command()
def status(
    folder: Folder,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a page with plots and thumbnails.")
    ] = None,
) -> None:
    """Show what a data set holds, how it grew, and what it lacks."""
    from ONFHAssistLib.curation.reports.status import status
    from ONFHAssistLib.curation.store.folder import open_store

    store = open_store(folder)
    print_status(status(store))
    if html is not None:
        from ONFHAssistLib.curation.reports.status_page import write_status_page

        write_status_page(store, html)
        print(f"Written to {html}.")


@data.command()
def check(
    folder: Folder,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; nothing is deleted, only set aside.")
    ] = False,
) -> None:
    """Look for everything that could spoil a training; exit code 3 if something is left to be done."""
    from rich.console import Console

    from ONFHAssistLib.core.outside import shown
    from ONFHAssistLib.curation.store.check import check
    from ONFHAssistLib.curation.store.folder import open_store

    console = Console(highlight=False)
    findings = check(open_store(folder), repair)
    for finding in findings:
        what = "repaired" if finding.repaired else f"to do: {finding.remedy}"
        console.print(f"{finding.path}: {finding.message} ({what})", markup=False, soft_wrap=True)
    left = sum(not finding.repaired for finding in findings)
    found = f"{len(findings)} found, {len(findings) - left} repaired, {left} left" if findings else "nothing is wrong"
    console.print(f"{shown(folder.resolve().name)}: {found}.", markup=False)
    if left:
        raise typer.Exit(FAULTS_FOUND)


@data.command()
def history(folder: Folder, case: CaseName) -> None:
    """Tell who has saved a case and when, from which networks, and what each save changed."""
    from ONFHAssistLib.curation.store.folder import open_store

    for save in open_store(folder).history(case):
        print_save(save)


@data.command()
def withdraw(
    folder: Folder,
    case: CaseName,
    reviewer: Annotated[str, typer.Option(metavar="CODE", help="Your code as a reviewer; not your name.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, without anything that tells who it is.")],
) -> None:
    """Take a case out of the training; it stays in the history, and saving it again brings it back."""
    from ONFHAssistLib.curation.store.folder import open_store

    store = open_store(folder)
    store.withdraw(case, reviewer, why)
    print(f"{case} is withdrawn; it is not trained with any more.")


@data.command()
def rename(
    folder: Folder,
    case: CaseName,
    reviewer: Annotated[str, typer.Option(metavar="CODE", help="Your code as a reviewer; not your name.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, without anything that tells who it is.")],
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="The right patient code; asked for if not told.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All cases of the same patient code, not only those of the image.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether a similar code is meant.")] = False,
) -> None:
    """Put a wrong patient code right: give a case and the other hip of its image to the right patient."""
    import sys

    from ONFHAssistLib.core.errors import InputError
    from ONFHAssistLib.curation.store.codes import similar_codes
    from ONFHAssistLib.curation.store.folder import open_store
    from ONFHAssistLib.curation.store.rename import rename

    store = open_store(folder)
    store.record(case)
    if code is None:
        code = typer.prompt("The right patient code", err=True)
    for similar in () if yes else similar_codes(store.folder, code, case):
        if not sys.stdin.isatty():
            raise InputError(f"{similar.question[:-1]}: if so, add --yes, else give the other code.")
        if not typer.confirm(similar.question, err=True):
            raise InputError(f"{case} is as it was; give the right code.")
    for name in rename(store, case, code, reviewer, why, every):
        print(f"{name} belongs to the patient with this code now.")


@data.command()
def key(
    folder: Folder,
    add: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key that you were handed: keep it on this computer.")
    ] = None,
) -> None:
    """Tell where the key of a data set lies, which every member needs; or add one that was handed over."""
    from ONFHAssistLib.curation.store.folder import open_store

    store = open_store(folder, add)
    if store.key_file.exists():
        print(f"{store.key_file}\nHand this file to members of the data set only, and never lay it into the data set.")
    else:
        print(f"The key is not on this computer; ask a member for {store.key_file.name} and give it with --add.")


@data.command()
def export(
    folder: Folder,
    out: Annotated[
        Path,
        typer.Option(metavar="NEW", help="A folder that does not exist yet; DatasetNNN_Name for nnU-Net."),
    ],
    kind: Annotated[
        ExportFormat | None, typer.Option("--format", help="Which software shall read it; nnunet if not told.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help='Which cases, as in "status == approved and grade != none"; all approved ones if not told.',
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the images, for the data card.")] = None,
    lock: Annotated[
        Path | None, typer.Option(metavar="FILE", help="export.lock.json of an earlier export: make the same again.")
    ] = None,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="With --lock: take cases too that have been withdrawn since.")
    ] = False,
) -> None:
    """Write a curated, versioned copy of the approved cases for a training."""
    import sys

    from ONFHAssistLib.core.errors import InputError
    from ONFHAssistLib.core.outside import shown
    from ONFHAssistLib.curation.reports.export import NOT_STATED, export, export_again
    from ONFHAssistLib.curation.reports.export_lock import read_lock
    from ONFHAssistLib.curation.store.folder import open_store

    if lock is not None:
        own = read_lock(lock)
        given = {
            "format": (kind and kind.value, own.layout),
            "where": (where, own.where),
            "licence": (licence, own.licence),
        }
        for option, (value, kept) in given.items():
            if value and value != kept:
                raise InputError(f"The lock file has --{option} {kept!r}, not {value!r}; leave --{option} out.")
    if withdrawn and lock is None:
        raise InputError("--withdrawn goes with --lock; add the lock file, or leave it out.")
    store = open_store(folder)
    if lock is not None:
        made = export_again(store, lock, out, withdrawn)
    else:
        chosen = kind or ExportFormat.nnunet
        made = export(store, out, chosen.value, where or "status == approved", licence or NOT_STATED)
    counts = " of ".join(
        f"{n} {what}{'s' * (n != 1)}" for n, what in ((made.cases, "case"), (made.patients, "patient"))
    )
    print(f"{shown(str(made.folder))}: version {made.version}, {counts}.")
    if made.left_out:
        print(f"Left out, as they can't be read: {', '.join(made.left_out)}.", file=sys.stderr)


@data.command()
def agree(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write agreement.json and a page with plots.")] = None,
) -> None:
    """Tell how well readers agree with each other, and with themselves."""
    import sys

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ONFHAssistLib.curation.reports.agree import agree, agreement_json, agreement_page, rows, title
    from ONFHAssistLib.curation.store.folder import open_store
    from ONFHAssistLib.curation.store.records import damaged
    from ONFHAssistLib.exchange.publish import publish, write_bytes

    store = open_store(folder)
    found = agree(store)
    if left_out := damaged(store.folder):
        print(f"Left out, as they can't be read: {', '.join(left_out)}.", file=sys.stderr)
    console = Console(highlight=False)
    for one in found:
        table = Table("", "", title=escape(title(one)), show_header=False)
        for what, value in rows(one):
            table.add_row(what, value)
        console.print(table)
    if out is not None:
        page = agreement_page(store.folder.name, found).encode("utf-8", "replace")
        content = {"agreement.json": agreement_json(store.folder.name, found), "agreement.html": page}
        publish(out, {name: write_bytes(text) for name, text in content.items()})
        print(f"Written to {out}.")


@data.command("next")
def next_(
    folder: Folder,
    studies: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Studies that may not be in the data set yet; they are graded.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many to suggest.")] = 10,
) -> None:
    """Tell which hips to annotate next, and why: uncertain ones, and those of a kind that the data set lacks."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from ONFHAssistLib.core.outside import shown
    from ONFHAssistLib.curation.reports.next_cases import approved_kinds, suggest, unread
    from ONFHAssistLib.curation.store.folder import open_store

    store = open_store(folder)
    cases = store.cases()
    candidates = unread(store, cases)
    if studies is not None:
        candidates += unsaved(store, studies)
    found = suggest(candidates, approved_kinds(cases), count)
    if not found:
        print("Nothing is unread; give a folder of studies with --studies.")
        return
    table = Table(Column("Hip", no_wrap=True), Column("", no_wrap=True), "Score", "Why")
    for each in found:
        hip = each.candidate
        table.add_row(escape(shown(hip.where)), f"{hip.side}, {hip.status}", f"{each.score:.2f}", escape(each.reason))
    Console(highlight=False).print(table)


def unsaved(store: "Store", folder: Path) -> "list[Candidate]":
    """Return the hips of a folder's studies that the data set lacks, graded; what can't be graded is told of."""
    import sys

    from ONFHAssistLib.analysis import analyse, open_models
    from ONFHAssistLib.core.errors import InputError
    from ONFHAssistLib.core.outside import shown
    from ONFHAssistLib.curation.reports.next_cases import Remembered, graded
    from ONFHAssistLib.imaging.read import read_study
    from ONFHAssistLib.imaging.studies import find_studies

    entries = find_studies(folder)
    models = open_models()
    remembered = Remembered(store, models.describe())
    found = []
    for entry in entries:
        try:
            if entry.problem:
                raise InputError(entry.problem)
            study = read_study(entry.path, below=False)
            name = store.study_of(study.volume)
            hips = remembered.get(name, entry.title)
            if hips is None:
                hips = [graded(entry.title, study.source, hip) for hip in analyse(study, models=models).hips]
                remembered.put(name, hips)
        except InputError as error:
            print(f"{shown(entry.title)}: {error}", file=sys.stderr)
            continue
        saved = {path.stem[-1] for path in (store.folder / "cases").glob(f"p*_{name}_*.json")}
        found += [hip for hip in hips if hip.side[0].upper() not in saved]
    return found


def print_save(save: "Save") -> None:
    """Print one save: a line of who and when, then what it changed."""
    from rich.console import Console

    marks = [
        save.status,
        *(["adjudicates"] if save.adjudicates else []),
        *(["trained with"] if save.trained_with else []),
    ]
    lines = [f"{save.number}  {save.saved_at[:16].replace('T', ' ')} UTC  {save.reviewer}  {', '.join(marks)}"]
    if save.comment:
        lines.append(f"    {' '.join(save.comment.split())}")  # a line of its own would pass for another save
    if save.models:
        models = " ".join(", ".join(save.models).split())
        lines.append(f"    networks: {models} (software {save.software})")
    if save.reviewed is not None:
        lines.append(f"    only {save.reviewed} slices reviewed; the others are not trained with")
    if save.provenance:
        lines.append(f"    masks: {', '.join(f'{label} {origin}' for label, origin in save.provenance.items())}")
    for change in save.changes:
        masks = [
            f"{label} +{mask.added_voxels} −{mask.removed_voxels} voxels"
            f" (+{mask.added_mm3:.0f} −{mask.removed_mm3:.0f} mm³)"
            for label, mask in (("head", change.masks.head), ("necrosis", change.masks.necrosis))
            if mask.added_voxels or mask.removed_voxels
        ]
        grades = [
            f"{name} {change.before[name] or 'none'} → {grade or 'none'}"
            for name, grade in change.after.items()
            if name in change.before and change.before[name] != grade
        ]
        lines.append(f"    since {change.since}: {'; '.join(masks + grades) or 'nothing changed'}")
    Console(highlight=False).print("\n".join(lines), markup=False, soft_wrap=True)


def print_status(found: "DataStatus") -> None:
    """Print the counts as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ONFHAssistLib.core.outside import shown

    console = Console(highlight=False)
    table = Table("", "Cases", title=escape(shown(found.name)))
    table.add_row("All", f"{found.cases} ({_patients(found.patients)})")
    table.add_row("Approved", f"{found.approved} ({_patients(found.approved_patients)})")
    for what, counts in found.counts.items():
        cells = [f"{escape(name)} {n}{_share(n, found.approved, what)}" for name, n in counts.items()]
        table.add_row(escape(what.capitalize() if what.islower() else what), "\n".join(cells) or "-")
    table.add_row("Last week", f"{found.saved_last_week} saved, {found.approved_last_week} approved")
    console.print(table)
    for line in found.lacking:
        console.print(line, markup=False)
    named = {"To be adjudicated": found.to_adjudicate, "Damaged": found.damaged, "Left out": found.left_out}
    for what, cases in named.items():
        if cases:
            console.print(f"{what}: {', '.join(cases)}", markup=False, soft_wrap=True)


def _patients(count: int) -> str:
    return f"{count} patient{'s' * (count != 1)}"


def _share(n: int, of: int, what: str) -> str:
    return f" ({100 * n / of:.0f} %)" if of and what != "status" else ""
