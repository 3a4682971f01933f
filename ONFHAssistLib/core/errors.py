"""The two ways in which a user's request ends early."""


class InputError(ValueError):
    """The input cannot be used. The message is one sentence: what was given, what is wrong, what to do.

    The command line prints it without a traceback and ends with exit code 2. Bytes of a file's name that are no UTF-8
    are replaced, so that the sentence can be shown and sent anywhere.
    """

    def __init__(self, sentence: str = "") -> None:
        """Keep the sentence, see the class."""
        super().__init__(showable(sentence))


def showable(text: str) -> str:
    """Return a text with what stands for undecodable bytes (PEP 383) replaced by question marks in a diamond."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Cancelled(Exception):
    """The user stopped the run; nothing was written."""
