"""What only ITK can decode is decoded in a process of its own, with limits of time and memory.

ITK's parsers are not safe against a damaged or hostile file: one may end the process, or never end. Here that costs
the child and one sentence, in the command line, the worklist and the reviewers alike.

    python -m ONFHAssistLib.imaging.apart FILE IMAGE_IO MEMORY_BYTES      # the child; voxels go to standard output
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging import limits

SECONDS = 60.0
MEMORY_BYTES = 3 * 2**30
"""Of address space, ITK's libraries and threads included; not limited on Windows."""
_ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ONFHAssistLib.imaging.apart import main; main()"


def decoded_by_itk(path: Path, image_io: str, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> np.ndarray:
    """Return the pixels of a file, shape (k, j, i), as one of ITK's readers decodes them.

    Args:
        path: of any name; its bytes need not be UTF-8.
        image_io: ITK's name of the reader, such as "GDCMImageIO".
        seconds: after these the child is killed.
        memory_bytes: more of it the child does not get.

    Raises:
        InputError: it cannot be decoded within the limits.
    """
    limits.require_regular(path, path)
    with tempfile.TemporaryDirectory(prefix="onfh-") as folder:
        plain = _plainly_named(path.absolute(), Path(folder))
        command = [sys.executable, "-c", _START, str(_ROOT), str(plain), image_io, str(memory_bytes)]
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
        except (ValueError, KeyError, TypeError, OSError) as error:
            why = (
                f"takes longer than {seconds:.0f} seconds" if late.is_set() else "is damaged, or needs too much memory"
            )
            raise InputError(f"{path} cannot be decoded: it {why}; export it again, without compression.") from error
        finally:
            clock.cancel()
            child.kill()
            child.wait()
    return array


def main() -> None:
    """Be the child: decode one file, and write its type and shape in a line, then its pixels."""
    path, image_io, memory_bytes = sys.argv[1:]
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the libraries print is not part of the answer
    _limit(int(memory_bytes))
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    reader.SetImageIO(image_io)
    reader.ReadImageInformation()
    limits.require_size("The file", (*reader.GetSize(), 2, 2)[:3], 8)
    image = reader.Execute()
    array = sitk.GetArrayViewFromImage(image)
    head = {"dtype": array.dtype.str, "shape": array.shape}
    answer.write(json.dumps(head).encode() + b"\n")
    answer.write(np.ascontiguousarray(array).data)
    answer.close()


def _limit(memory_bytes: int) -> None:
    if os.name != "posix":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the image
    with contextlib.suppress(ValueError, OSError):  # macOS does not know the second, or allows less already
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _received(stream: io.BufferedReader) -> np.ndarray:
    head = json.loads(stream.readline(1000))
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
