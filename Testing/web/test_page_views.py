"""What the server draws, without a browser and without a screen."""

import asyncio
import itertools
import sys
from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy
from web_parts import key_of

_names = itertools.count()


def drawn(view) -> np.ndarray:
    """What a view shows, (rows, columns, 3)."""
    window = view.render_window()
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.Update()
    image = grab.GetOutput()
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[:, :, :3].astype(int)


def with_views(place: Path, state: Path, check) -> None:
    """Open the sample study in an application with its views."""
    from ONFHAssistLib.web.app import ReviewerApp
    from ONFHAssistLib.web.serve import prefer_egl

    prefer_egl()

    async def run() -> None:
        app = ReviewerApp(sys.executable, place, state, state / "cases", server=f"views{next(_names)}")
        session = app.logic.session
        try:
            for view in app.slicer_app.view_manager.get_views():
                view.render_window().SetSize(300, 300)
                view.interactor().UpdateSize(300, 300)
                view.interactor().InvokeEvent("WindowResizeEvent")
            await session.open(key_of(session, "sample.nii.gz"))
            check(app)
        finally:
            session.end()

    asyncio.run(run())


def coloured(pixels: np.ndarray) -> int:
    """How many pixels are neither black, grey nor white."""
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 60).sum())


def test_image_masks_and_surface_are_drawn_and_hidden(place: Path, state: Path):
    def check(app) -> None:
        views = {view.name: view for view in app.slicer_app.view_manager.get_views()}
        for name in ("Coronal", "Sagittal", "Axial"):
            pixels = drawn(views[name])
            assert pixels.std() > 20, f"the {name} view is blank"
            assert coloured(pixels) > 100, "the outlines are there"
        assert coloured(drawn(views["Surface"])) > 500
        before = coloured(drawn(views["Coronal"]))
        app.logic.views.toggle_masks()
        assert coloured(drawn(views["Coronal"])) < 0.6 * before
        app.logic.views.toggle_masks()
        assert coloured(drawn(views["Coronal"])) > 0.9 * before

    with_views(place, state, check)


def test_the_other_hip_is_another_picture_and_the_whole_image_shows_both(place: Path, state: Path):
    def check(app) -> None:
        coronal = app.slicer_app.view_manager.get_view("Coronal")
        field = coronal._view_node.GetFieldOfView()[0]
        left = drawn(coronal)
        app.logic.hips.choose_side("right")
        assert np.abs(drawn(coronal) - left).mean() > 10
        app.logic.views.show_whole()
        assert coronal._view_node.GetFieldOfView()[0] > 2 * field
        app.logic.hips.choose_side("left")
        assert np.abs(drawn(coronal) - left).mean() < 2

    with_views(place, state, check)
