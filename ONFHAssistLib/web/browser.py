"""Show a page of the server in this machine's browser, without its address on a command line."""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import webbrowser
from html import escape
from pathlib import Path

KEPT_S = 60.0
"""So long a browser that is slow to start finds the file that leads to the page."""


def has_browser() -> bool:
    """Return whether this machine has a web browser, and a screen to show it on."""
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not screen:
        return False  # browsers for terminals, which Python finds then, cannot show the page
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def show_in_browser(address: str) -> None:
    """Show a page whose address lets in who has it.

    Every account of this machine reads command lines (`ps`), and Python's webbrowser puts the address there. So the
    browser is given a file that leads to the page and that this account alone can read; it is removed after a while,
    and at the end. A browser in a sandbox may not get at it: then there is the link that the server prints.
    """
    folder = Path(tempfile.mkdtemp(prefix="onfh-review-"))  # 0700 from the beginning
    file = folder / "open.html"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
        written.write(_LEADS.format(address=escape(address)))
    removal = threading.Timer(KEPT_S, _remove, [folder])
    removal.daemon = True
    removal.start()
    atexit.register(_remove, folder)
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(file.as_uri())


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


_LEADS = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<title>ONFHAssist</title><meta http-equiv="refresh" content="0; url={address}">
<a href="{address}">Open the page</a></html>
"""
