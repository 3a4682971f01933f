"""The command line: ``onfh-assist grade INPUT --out DIR``. For research use.

Exit codes: 0 graded; 2 the request cannot be met (one sentence on stderr); 130 stopped by the user; 1 an error of
this program. Nothing that it prints names the patient.
"""

import contextlib
import io
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ONFHAssistLib import __version__
from ONFHAssistLib.cli_data import data
from ONFHAssistLib.cli_models import models
from ONFHAssistLib.cli_shown import print_result, progress_bar
from ONFHAssistLib.cli_systems import parse_patient, systems
from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.core.files import require_writable
from ONFHAssistLib.core.geometry import HEAD_RADIUS_MM, SIDES, HeadSeed
from ONFHAssistLib.systems import OWN, chosen

PROGRAM = "onfh-assist"
OUT_OF_MEMORY = (
    "The memory of this computer did not suffice; close other programs or crop the image to the hips, and try again."
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(data, name="data")
app.add_typer(models, name="models")
app.command()(systems)


class SideChoice(StrEnum):
    """The hips that are wanted."""

    right = "right"
    left = "left"
    both = "both"


class Device(StrEnum):
    """Where the networks run; ``auto`` takes the GPU if torch and one are there."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Engine(StrEnum):
    """What runs the networks; ``auto`` takes OpenVINO on the CPU and torch on the GPU."""

    auto = "auto"
    openvino = "openvino"
    torch = "torch"


class Precision(StrEnum):
    """How the networks calculate; ``auto`` takes f32 on the CPU and mixed precision on the GPU."""

    auto = "auto"
    f32 = "f32"
    bf16 = "bf16"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; ``arguments`` default to those of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "" in arguments and arguments[0] in ("grade", "review"):  # a variable of the shell that is not set
        print(f"{PROGRAM}: one of the arguments is empty; give a path.", file=sys.stderr)
        return 2
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by cron
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a degree sign must not end the run where the terminal has none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    debug = "--debug" in arguments or bool(os.environ.get("ONFH_DEBUG"))
    if not debug:  # messages of the libraries may quote the patient's data
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False) or 0
        if code == 130:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
        return code
    except typer.TyperException as error:  # a wrong option
        if text := error.format_message():
            where = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
            print(f"{PROGRAM}: {text} See: {where} --help", file=sys.stderr)
        return 2
    except InputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except Cancelled:
        print(f"{PROGRAM}: stopped; nothing was written.", file=sys.stderr)
        return 130
    except KeyboardInterrupt:  # before the work, or after the report was written
        print(f"{PROGRAM}: stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):  # so C++ says it through OpenVINO
            print(f"{PROGRAM}: {OUT_OF_MEMORY}", file=sys.stderr)
            return 2
        if (refused := refused_by_system(error)) is not None:
            print(f"{PROGRAM}: {refused}", file=sys.stderr)
            return 2
        print(
            f"{PROGRAM}: this is an error of the program ({type(error).__name__}); please report it on the project's "
            "issue page with what --debug prints, but without any patient's data.",
            file=sys.stderr,
        )
        return 1


def refused_by_system(error: Exception) -> InputError | None:
    """Return what the system says of a path or a disk, as a sentence; None for any other error.

    The rooms say it themselves where they know more; here is what they left: a path that is too long, goes in circles,
    may not be looked at, or is something else than what is sought.
    """
    if isinstance(error, OSError) and error.errno is not None:
        what = f"{error.filename} can't be used" if error.filename else "The system refuses what was asked"
        return InputError(f"{what} ({error.strerror}); check each path that was given, and who may use it.")
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):  # of Path.resolve, up to Python 3.12
        return InputError("A path that was given is a link that leads back to itself; give the file or folder itself.")
    return None


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segment and grade osteonecrosis of the femoral head, with its reasons. For research use."""


@app.command()
def grade(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="NIfTI, NRRD or MHA file, DICOM folder, or one file of a DICOM series; PNG, JPEG or one DICOM picture "
            "for systems that read it.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report.")] = Path("onfh-report"),
    side: Annotated[SideChoice, typer.Option(help="Hips to grade.")] = SideChoice.both,
    system: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYSTEM",
            help="What looks at the image; once for each system that is wanted, see: onfh-assist systems.",
            show_default=OWN,
        ),
    ] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A patient variable that a system asks for; once for each."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = Device.auto,
    engine: Annotated[Engine, typer.Option(help="What runs them.")] = Engine.auto,
    precision: Annotated[
        Precision, typer.Option(help="How they calculate; bf16 is quicker on newer processors and shifts the masks.")
    ] = Precision.auto,
    series: Annotated[
        str | None, typer.Option(help="The DICOM series to grade, instead of the one that suits best.")
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIDE:R,A,S[,RADIUS]",
            help="Centre of a femoral head in RAS mm, if it is missed or found wrong; one for each side.",
        ),
    ] = None,
    identify: Annotated[bool, typer.Option("--identify", help="Write the patient's name and ID too.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write report.pdf too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print report.json, and nothing else, on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
) -> None:
    """Grade both hips of a study and write the report."""
    sides = tuple(one for one in SIDES if side is SideChoice.both or side.value == one)
    seeds = tuple(parse_head(text) for text in head or ())
    wanted, variables = chosen(system or (OWN,)), parse_patient(patient or ())
    check_seeds(seeds, sides)
    check_writable(out)
    with stoppable() as stop, progress_bar() as progress, contextlib.redirect_stdout(sys.stderr):
        progress(0.0, "Starting")
        from ONFHAssistLib.analysis import AnalysisOptions, grade_file
        from ONFHAssistLib.exchange.write import require_not_overwritten, write_study

        require_not_overwritten(path, out)
        progress(0.02, "Reading")
        result = grade_file(
            path,
            AnalysisOptions(
                sides=sides,
                device=device.value,
                heads=seeds,
                engine=engine.value,
                precision=precision.value,
                systems=tuple(one.card.id for one in wanted),
                patient=variables,
            ),
            progress=lambda fraction, stage: progress(0.05 + 0.85 * fraction, stage),
            cancelled=lambda: stop.asked,
            series=series,
        )
        if stop.asked:
            raise Cancelled
        progress(0.9, "Writing the report")
        page = write_study(result, out, identify=identify, pdf=pdf)
        stop.possible = False
    try:
        if json:
            sys.stdout.buffer.write(page.with_name("report.json").read_bytes())
        else:
            print_result(result, page)
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (Python flushes it once more at its end)
        raise InputError(f"The report is in {out}, but it could not be printed: {error.strerror}.") from error


@app.command()
def review(
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|FOLDER]",
            help="One study, or a folder of them; without it the sample study, graded at once.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Listen for other machines too (0.0.0.0); they need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The next free port is taken if it is in use.", min=1, max=65535)] = 8080,
    drafts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for drafts, if not FOLDER/onfh-review.")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for signed cases, if not DRAFTS/cases.")
    ] = None,
    ahead: Annotated[bool, typer.Option(help="Analyse the other studies while the reader does nothing.")] = True,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", help="End so long after the last browser has gone; 0: never.", min=0)
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in this machine's browser.")] = True,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
) -> None:
    """Review and correct hips in a web browser, on this machine."""
    from ONFHAssistLib.web.serve import ServeOptions, serve

    sample = place is None
    if place is None:
        from ONFHAssistLib.core.resources import resource_path

        place = resource_path("SampleData", "procedural_t1.nii.gz")
        drafts = drafts or Path("onfh-review")
        grade(place)
    try:
        options = ServeOptions(
            place,
            host,
            port,
            drafts,
            cases,
            open_first=sample,
            ahead=ahead,
            timeout_s=timeout,
            browser=browser,
            verbose=debug,
        )
        serve(options, needs_browser=sample)
    except InputError as error:
        if not sample:
            raise
        print(f"The page was not opened: {error}")


def parse_head(text: str) -> HeadSeed:
    """Read ``right:R,A,S`` or ``right:R,A,S,RADIUS`` (mm, RAS).

    Raises:
        InputError: it is not of this form, or not possible.
    """
    from ONFHAssistLib.imaging.limits import ORIGIN_MM

    side, _, rest = text.partition(":")
    try:
        numbers = [float(number) for number in rest.split(",")]
    except ValueError:
        numbers = []
    if side not in SIDES or len(numbers) not in (3, 4) or not all(abs(number) <= ORIGIN_MM for number in numbers):
        raise InputError(
            f"--head {text!r} is not a centre; write the side and its place in RAS mm, and the radius if known, "
            "for example --head right:85,10,-20 or --head left:-85,10,-20,24."
        )
    radius_mm = numbers[3] if len(numbers) == 4 else None
    low, high = HEAD_RADIUS_MM
    if radius_mm is not None and not low <= radius_mm <= high:
        raise InputError(
            f"--head {text!r} has a radius of {radius_mm:g} mm; a femoral head has {low:g} to {high:g} mm."
        )
    return HeadSeed(side, (numbers[0], numbers[1], numbers[2]), radius_mm)


def check_seeds(seeds: tuple[HeadSeed, ...], sides: tuple[str, ...]) -> None:
    """Refuse two centres for one side, and a centre for a side that is not graded."""
    for position, seed in enumerate(seeds):
        if seed.side in [earlier.side for earlier in seeds[:position]]:
            raise InputError(f"--head is given twice for the {seed.side} hip; give each side once.")
        if seed.side not in sides:
            raise InputError(f"--head is given for the {seed.side} hip, but --side leaves it out; drop one of the two.")


def check_writable(folder: Path) -> None:
    """Refuse an output folder that cannot be written, before minutes of work; leaves nothing behind."""
    try:
        require_writable(folder)
    except OSError as error:
        reason = error.strerror or "it is a file"
        raise InputError(
            f"The output folder {folder} cannot be written ({reason}); choose another one with --out."
        ) from error


@dataclass
class Stop:
    """Whether the user has asked to stop, and whether that is still possible."""

    asked: bool = False
    possible: bool = True


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C, SIGTERM and a closed terminal stop what runs inside.

    The signal raises KeyboardInterrupt where Python is, and is noted for the case that a library swallows it, or makes
    another error of it (an import that is interrupted may end with ImportError).
    """
    from ONFHAssistLib.exchange.publish import STOPS

    stop = Stop()

    def handle(number: int, frame: object) -> None:
        if stop.possible:
            stop.asked = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in STOPS}
    try:
        yield stop
    except (KeyboardInterrupt, Exception) as error:
        if stop.asked or isinstance(error, KeyboardInterrupt):
            raise Cancelled from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
