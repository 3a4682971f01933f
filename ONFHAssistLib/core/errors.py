"""The two ways in which a user's request ends early."""

from ONFHAssistLib.core.outside import shown

MOST_SIGNS = 2000
"""A sentence of a message has at most so many; the longest that the software writes by itself have some hundreds."""


class InputError(ValueError):
    """The input cannot be used. The message is one sentence: what was given, what is wrong, what to do.

    The command line prints it without a traceback and ends with exit code 2. What would do something to a terminal
    (in a name of a file, for example) is replaced, so that the sentence can be shown and sent anywhere, and it stays
    one line: a line break in a name cannot begin a sentence of its own. What is quoted without end is left out in the
    middle.
    """

    def __init__(self, sentence: str = "") -> None:
        """Keep the sentence, see the class."""
        line = " ".join(shown(sentence).splitlines())
        super().__init__(line if len(line) <= MOST_SIGNS else f"{line[: MOST_SIGNS - 500]} … {line[-300:]}")


class Cancelled(Exception):
    """The user stopped the run; nothing was written."""
