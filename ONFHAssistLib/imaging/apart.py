"""What only ITK can decode is decoded in a process of its own, with limits of time and memory.

ITK's parsers are not safe against a damaged or hostile file: one may end the process, or never end. Here that costs
the child and one sentence, in the command line, the worklist and the reviewers alike. libjpeg, be it ITK's or GDCM's,
fills in what is missing and only prints about it: it is taken at its word, and the file refused.
"""

import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging import limits

SECONDS = 60.0
MEMORY_BYTES = 3 * 2**30
"""Of address space, ITK's libraries and threads included; not limited on Windows."""
_ROOT = Path(__file__).resolve().parents[2]
_FILLED_IN = re.compile(rb"Corrupt JPEG data|Premature end of JPEG")
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ONFHAssistLib.imaging.apart import main; main()"


def decoded_by_itk(path: Path, image_io: str, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> np.ndarray:
    """Return the pixels of a file, shape (k, j, i), as one of ITK's readers decodes them; see `decoded_apart`.

    ``image_io`` is ITK's name of the reader, such as "GDCMImageIO".
    """
    return decoded_apart(itk_pixels, path, image_io, seconds, memory_bytes)


def decoded_apart(
    reader: Callable[[str, str, str], np.ndarray],
    path: Path,
    image_io: str,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> np.ndarray:
    """Return what a function reads from a file, in a process of its own.

    Args:
        reader: of a module's top; it is called with the path to open, the path for a sentence, and ``image_io``.
        path: of any name; its bytes need not be UTF-8.
        image_io: ITK's name of the reader.
        seconds: after these the child is killed.
        memory_bytes: more of it the child does not get.

    Raises:
        InputError: the function refuses the file, or it cannot be decoded within the limits.
    """
    limits.require_regular(path, path)
    with tempfile.TemporaryDirectory(prefix="onfh-") as folder:
        plain = _plainly_named(path.absolute(), Path(folder))
        printed = Path(folder, "printed")
        given = (_ROOT, printed, memory_bytes, reader.__module__, reader.__name__, plain, path, image_io)
        command = [sys.executable, "-c", _START, *map(str, given)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"},
            start_new_session=os.name != "nt",  # Ctrl-C is for the parent, which then ends the child
        )
        late = threading.Event()

        def end_late() -> None:
            late.set()
            child.kill()

        clock = threading.Timer(seconds, end_late)
        clock.start()
        try:
            assert isinstance(child.stdout, io.BufferedReader)  # it is a pipe, in bytes
            with child.stdout:
                array = _received(child.stdout)
            if child.wait() or _FILLED_IN.search(printed.read_bytes()):  # what was printed is written at the end
                raise ValueError(printed)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError) as error:
            why = (
                f"takes longer than {seconds:.0f} seconds"
                if late.is_set()
                else "is damaged or cut off, or needs too much memory"
            )
            raise InputError(
                f"{path} cannot be decoded: it {why}; copy it again, or export it without compression."
            ) from error
        finally:
            clock.cancel()
            child.kill()
            child.wait()
    return array


def main() -> None:
    """Be the child: decode one file, and write its type and shape in a line, then its pixels; or why it is refused."""
    printed, memory_bytes, module, function, path, name, image_io = sys.argv[1:]
    answer = os.fdopen(os.dup(1), "wb")
    for stream in (1, 2):  # what the libraries print is not part of the answer
        os.dup2(os.open(printed, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    _limit(int(memory_bytes))
    try:
        array = getattr(importlib.import_module(module), function)(path, name, image_io)
    except InputError as error:
        answer.write(json.dumps({"refused": str(error)}).encode() + b"\n")
    else:
        answer.write(json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode() + b"\n")
        answer.write(np.ascontiguousarray(array).data)
    answer.close()


def itk_pixels(path: str, name: str, image_io: str) -> np.ndarray:
    """Be the child's reader: return the pixels of a file as ITK decodes them; raises InputError where it is large."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    reader.SetImageIO(image_io)
    reader.ReadImageInformation()
    limits.require_size(name, (*reader.GetSize(), 1)[:3], 8)
    return sitk.GetArrayFromImage(reader.Execute())


def _limit(memory_bytes: int) -> None:
    if os.name != "posix":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the image
    with contextlib.suppress(ValueError, OSError):  # macOS does not know the second, or allows less already
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _received(stream: io.BufferedReader) -> np.ndarray:
    head = json.loads(stream.readline(20_000))
    if "refused" in head:
        raise InputError(str(head["refused"]))
    shape = tuple(int(n) for n in head["shape"])
    dtype = np.dtype(str(head["dtype"]))
    if not 2 <= len(shape) <= 3 or dtype.kind not in "iuf" or min(shape) < 1:
        raise ValueError(shape)
    if np.prod([float(n) for n in shape]) > limits.VOXELS:
        raise ValueError(shape)
    array = np.empty(shape, dtype)
    target, done = array.data.cast("B"), 0
    while done < len(target):
        got = stream.readinto(target[done:])
        if not got:
            raise ValueError("cut off")
        done += got
    return array


def _plainly_named(path: Path, folder: Path) -> Path:
    """Return a path that ITK can open: a link, where the bytes of the name are no UTF-8 (ITK ends the process then)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        plain = folder / "image"
        plain.symlink_to(path)
        return plain
    return path
