"""PNG and JPEG files as they are meant to be seen: upright, and without anything that shines through.

ITK decodes them: it keeps 16 bits, gives palettes and CMYK as red, green and blue, and tells of damage. Pillow says how
the camera was held, and reads what ITK does not, grey with transparency. Both run in a process of their own (`apart`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.apart import itk_pixels
from ONFHAssistLib.imaging.limits import MAX_SIDE

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_ORIENTATION = 0x0112
_TURNED: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}
"""By Exif's orientation (CIPA DC-008, 4.6.5); 1 and what is not known stay as they are."""


def upright_pixels(path: str, name: str, image_io: str) -> np.ndarray:
    """Return the pixels of a PNG or JPEG file: shape (rows, columns), or (rows, columns, 3) in red, green and blue.

    Args:
        path: where it lies.
        name: begins the sentence of an error.
        image_io: ITK's name of the reader.

    Raises:
        InputError: a side is longer than `limits.MAX_SIDE`, it holds several pictures, or something shines through.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if max(image.size) > MAX_SIDE:
                raise Image.DecompressionBombError
            if image.format == "PNG" and getattr(image, "is_animated", False):
                raise InputError(f"{name} is a film of several pictures (APNG); save one of them.")
            orientation = _orientation(image)
            with_alpha = image.format == "PNG" and _is_grey_with_transparency(path, name, "transparency" in image.info)
            array = np.asarray(image.convert("LA")) if with_alpha else itk_pixels(path, name, image_io)
    except Image.DecompressionBombError:
        raise InputError(f"{name} has a side of more than {MAX_SIDE:,} pixels; make it smaller, or crop it.") from None
    return _TURNED.get(orientation, lambda a: a)(_opaque(array, name))


def _orientation(image: "ImageFile") -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except SyntaxError:  # Pillow's word for Exif that is none
        return 1


def _is_grey_with_transparency(path: str, name: str, named: bool) -> bool:
    """Say what stands in the header of a PNG (ISO/IEC 15948, 11.2.2); ``named``: one of its greys is.

    Raises:
        InputError: it is, in other than 8 bits, which Pillow would give as 8 bits, too.
    """
    with open(path, "rb") as file:
        depth, colour = file.read(26)[24:]
    if colour != 4 and not (colour == 0 and named):
        return False
    if depth != 8:
        raise InputError(f"{name} is grey with transparency, in {depth} bits; save it without transparency.")
    return True


def _opaque(array: np.ndarray, name: str) -> np.ndarray:
    """Leave the transparency (the second or fourth channel) out, if it lets nothing through."""
    if array.ndim == 2 or array.shape[2] == 3:
        return array
    if (array[..., -1] < np.iinfo(array.dtype).max).any():
        raise InputError(f"{name} has transparent parts, behind which anything may lie; save it without transparency.")
    return array[..., 0] if array.shape[2] == 2 else array[..., :3]
