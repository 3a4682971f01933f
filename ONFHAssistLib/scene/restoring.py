"""The reviews that an opened scene keeps are taken up; one that is damaged costs itself alone."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.scene.nodes import Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.stage import as_kept, batch
from ONFHAssistLib.scene.state import add_reader, kept_case, kept_reviews


def refuse(sentence: str) -> NoReturn:
    """Raise InputError."""
    raise InputError(sentence)


def restore(scene: Scene, known: Sequence[Review] = (), damaged: Callable[[str], None] = refuse) -> list[Review]:
    """Take up every review that an opened scene keeps, but for those of ``known`` that are open.

    Args:
        scene: that was opened.
        known: reviews that are there already.
        damaged: called with a sentence about each review that cannot be read; the others are taken up all the same.

    Raises:
        InputError: one cannot be read, and nothing else is to be done then.
    """
    under_review = [review.volume_node for review in known if not review.closed]
    restored = []
    for node in kept_reviews(scene):
        if node in under_review:
            continue
        try:
            with batch(scene):
                result, now = as_kept(node)
                review = Review(node, result, now, kept_case(node))
        except InputError as error:
            damaged(f"{node.GetName()}: {error}")
            continue
        for side in filter(review.changed, now):
            add_reader(node, side, review.sign_off(side).reviewer)
        restored.append(review)
    return restored
