"""What can go wrong ends in one sentence in the panel; what should never go wrong is logged without patient data."""

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from traceback import extract_tb
from typing import Any

from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a slot of an object with a method ``tell(sentence)`` end in a sentence instead of a traceback."""

    @wraps(method)
    def safe(self: Any, *args: Any) -> Any:
        try:
            return method(self, *args)
        except InputError as error:
            self.tell(str(error))
        except Exception as error:  # a window that stays usable is worth more than the rest of this slot
            self.tell(unexpected(error))
        return None

    return safe


def unexpected(error: Exception) -> str:
    """Log kind and places of an error, without its message, which may name a file or a patient; return a sentence."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    logging.error("ONFHAssist: %s at %s", type(error).__name__, " < ".join(reversed(frames)))
    return _(
        "Something unforeseen went wrong ({kind} in {place}); nothing was lost, so try again, and report it if it "
        "comes back."
    ).format(kind=type(error).__name__, place=frames[-1] if frames else "?")
