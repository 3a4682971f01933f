"""An error of the program is told to the terminal by its kind and place, never by values, which may be a patient's."""

import sys
import traceback


def tell_fault(error: BaseException) -> None:
    """Print which error it was and where; not with which values: they may be names of files or patients."""
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    told = "\n  ".join([type(error).__name__, *places])
    print(f"ONFHAssist: an error of the program, {told}", file=sys.stderr, flush=True)
