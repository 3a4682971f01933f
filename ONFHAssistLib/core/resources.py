"""Where the files of ``Resources/`` lie: bundles, sample data, schemas, terminology, colours."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource_path(*parts: str) -> Path:
    """Find a file or folder of ``Resources/``.

    A wheel carries ``Resources/`` inside the package; a source tree and Slicer's install tree have it beside the
    package. Slicer's is shared with other modules, so the place that has the asked-for file is the one taken.

    Args:
        parts: the path below ``Resources/``, for example ``"Bundles", "hip_finder"``.

    Raises:
        FileNotFoundError: it lies in neither place; the message names both.
    """
    places = (_PACKAGE / "Resources", _PACKAGE.parent / "Resources")
    for place in places:
        if (found := place.joinpath(*parts)).exists():
            return found
    raise FileNotFoundError(
        f"Resources/{'/'.join(parts)} was found neither in {places[0]} nor in {places[1]}; install ONFHAssist again."
    )
