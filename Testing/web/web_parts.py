"""A folder with studies, a session on it without a page, and strokes into its scene."""

import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.resources import resource_path

SAMPLE = "SampleData", "procedural_t1.nii.gz"


def sample(folder: Path, name: str = "sample.nii.gz") -> Path:
    """Copy the sample study into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(resource_path(*SAMPLE), folder / name))


def new_session(place: Path, state: Path, worker=None):
    """A session on Slicer's core without views, with a real worker unless another one is given."""
    from trame_slicer.core import SlicerApp

    from ONFHAssistLib.web.session import Session
    from ONFHAssistLib.worker.client import Worker, serve_command, serve_environment

    worker = worker or Worker(serve_command(sys.executable), serve_environment())
    app = SlicerApp()
    session = Session(app.scene, worker, place, state)
    session.app = app  # lives as long as the session
    return session


def at_work(place: Path, state: Path, steps: Callable[..., Awaitable[None]], worker=None) -> None:
    """Run the steps of a test with a session that is ended afterwards; nothing is analysed ahead unless they say so."""

    async def run() -> None:
        session = new_session(place, state, worker=worker)
        session.ahead.wanted = False
        session.start()
        try:
            await asyncio.wait_for(steps(session), 120)
        finally:
            session.end()

    asyncio.run(run())


async def saved(session, folder: Path, reviewer: str, status: str = "approved", sides=SIDES, comment: str = ""):
    """Sign hips of what is open, and save them as cases into a folder."""
    from ONFHAssistLib.reviewer.signing import Signature, sign

    signed = sign(session.opened(), Signature(dict.fromkeys(sides, status), reviewer, "P1", comment), folder)
    session.note_saved(signed, await asyncio.to_thread(signed.save))
    return signed


def key_of(session, title: str) -> str:
    """The key of a study of the list."""
    return next(row.entry.key for row in session.rows if row.entry.title == title)


def row_of(session, title: str):
    """The line of a study of the list."""
    return next(row for row in session.rows if row.entry.title == title)


async def until(done: Callable[[], object], seconds: float = 20.0, every: float = 0.05) -> None:
    """Let the server go on until something has come true."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "this has not happened in time"
        await asyncio.sleep(every)


def erase(review, side: Side, slices: slice, what: str = "necrosis") -> None:
    """Erase a mask in some slices, as a tool of the editor does."""
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    grid = review.result.volume
    k, j, i = grid.array.shape
    keep = np.ones((k, j, i), np.uint8)
    keep[slices] = 0
    image = slicer.vtkOrientedImageData()
    image.SetExtent(0, i - 1, 0, j - 1, 0, k - 1)
    image.GetPointData().SetScalars(numpy_to_vtk(keep.ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    review.volume_node.GetIJKToRASMatrix(matrix)
    image.SetImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(
        image, review.segmentation_node, review.segment_id(side, what), logic.MODE_MERGE_MIN, image.GetExtent()
    )


def same_masks(one: HipMasks, other: HipMasks) -> bool:
    """Whether head and necrosis are the same voxel by voxel."""
    one, other = one.whole(), other.whole()
    return all(np.array_equal(getattr(one, name).array, getattr(other, name).array) for name in ("head", "necrosis"))
