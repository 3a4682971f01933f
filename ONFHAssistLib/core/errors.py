"""The two ways in which a user's request ends early."""


class InputError(ValueError):
    """The input cannot be used. The message is one sentence: what was given, what is wrong, what to do.

    The command line prints it without a traceback and ends with exit code 2.
    """


class Cancelled(Exception):
    """The user stopped the run; nothing was written."""
