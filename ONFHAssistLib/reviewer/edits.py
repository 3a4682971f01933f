"""What a reader does with a hip beside painting."""

from dataclasses import replace

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HEAD_RADIUS_MM, Side
from ONFHAssistLib.scene.review import Review


def set_comment(review: Review, comment: str) -> bool:
    """Keep what a reader says of the hips of a study; return whether that is something new."""
    new = any(review.sign_off(side).comment != comment for side in review.sides)
    for side in review.sides if new else ():
        review.set_sign_off(side, replace(review.sign_off(side), comment=comment))
    return new


def set_radius(review: Review, side: Side, radius_mm: float) -> None:
    """Give a head's sphere another radius; the masks stay as they are.

    Raises:
        InputError: the head has no centre yet, or this is no radius of a femoral head.
    """
    sphere = review.hip(side).sphere
    if sphere is None:
        raise InputError(f"The {side} head has no centre yet; place it first.")
    low, high = HEAD_RADIUS_MM
    if not low <= radius_mm <= high:
        raise InputError(f"A radius of {radius_mm:g} mm is not that of a femoral head; give {low:g} to {high:g} mm.")
    review.set_sphere(side, replace(sphere, radius_mm=radius_mm))
