"""Start the browser reviewer: what it needs, a free port, the rules at the door, the page."""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.studies import STATE_FOLDER
from ONFHAssistLib.web.browser import has_browser, show_in_browser

if TYPE_CHECKING:
    from ONFHAssistLib.web.guard import Guard

PORT, PORTS = 8080, 50
"""The first port that is tried, and how many after it."""
DRAWS = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(8, 8)
window.AddRenderer(vtkRenderer())
window.Render()
raise SystemExit("OpenGL version" not in window.ReportCapabilities())
"""
"""Run in a process of its own: without a library for OpenGL, VTK ends the process that it runs in."""
OPENGL = (
    "The browser reviewer draws with OpenGL, which does not work on this machine; on Debian or Ubuntu install it with: "
    "sudo apt install libegl1 libgl1 libgl1-mesa-dri."
)
TRAME = "The browser reviewer needs trame-slicer; install it with: pip install onfh-assist[review]."


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, where.

    Attributes:
        place: a folder of studies, or one study.
        host: address to listen at; other machines can connect to all but 127.0.0.1.
        port: the next free one is taken where it is in use.
        state: folder for drafts; None for ``onfh-review`` inside ``place``.
        cases: folder for cases that were signed; None for ``cases`` inside ``state``.
        open_first: open the first study of the list at the start, analysing it if need be.
        ahead: analyse studies that nobody has opened yet while the reader leaves the machine alone.
        timeout_s: end so long after the last browser has gone; 0: never.
        browser: show the page in this machine's browser.
        verbose: print warnings of VTK.
    """

    place: Path
    host: str = "127.0.0.1"
    port: int = PORT
    state: Path | None = None
    cases: Path | None = None
    open_first: bool = False
    ahead: bool = True
    timeout_s: int = 0
    browser: bool = False
    verbose: bool = False


def serve(options: ServeOptions, tell: Callable[[str], None] = print, needs_browser: bool = False) -> None:
    """Serve until Ctrl-C.

    Args:
        options: see there.
        tell: prints a line, such as the address.
        needs_browser: serving makes no sense without one on this machine.

    Raises:
        InputError: no port is free, the folder or the one file cannot be used, OpenGL or trame-slicer is missing, or
            the browser that is needed.
    """
    shown = options.browser and has_browser()
    if needs_browser and options.browser and not shown:
        raise InputError(
            "no web browser can be shown on this machine; install one, or look at the page from another machine with: "
            "onfh-assist review --host 0.0.0.0"
        )
    require_libraries()
    if not options.place.is_dir():  # of a folder what is not usable is listed, and the rest is there
        from ONFHAssistLib.web.reading import read_checked  # what it needs comes with trame-slicer

        read_checked(options.place)
    port = free_port(options.host, options.port)
    if port != options.port:
        tell(f"Port {options.port} is in use; port {port} is taken.")
    folder = options.place if options.place.is_dir() else options.place.parent
    state = options.state or folder / STATE_FOLDER

    # What these need comes with trame-slicer.
    from ONFHAssistLib.web.app import ReviewerApp
    from ONFHAssistLib.web.guard import new_token

    token = new_token()
    cases = options.cases or state / "cases"
    app = ReviewerApp(sys.executable, options.place, state, cases, verbose=options.verbose)
    page = f"http://{_shown_host(options.host)}:{port}/index.html"

    def ready(guard: "Guard") -> None:
        tell(f"Open {page}?token={token} in a browser. Ctrl-C ends it.")
        if shown:
            show_in_browser(f"{page}?code={guard.new_code()}")

    app.run(options.host, port, token, ready, options.open_first, options.ahead, options.timeout_s)


def free_port(host: str, wanted: int) -> int:
    """Return a port that nobody listens at, ``wanted`` if it can be; raises InputError where none is free."""
    for port in range(wanted, min(wanted + PORTS, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                if sys.platform != "win32":
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            except socket.gaierror as error:
                raise InputError(f"--host {host} is not an address of this machine; give one that is.") from error
            except OSError as error:
                if error.errno == 99 or "assign requested address" in str(error):
                    raise InputError(f"--host {host} is not an address of this machine; give one that is.") from error
                continue
            return port
    raise InputError(f"No port from {wanted} on is free; give another one with --port.")


def require_libraries() -> None:
    """Raise InputError with the remedy where trame-slicer or a library for OpenGL is missing."""
    if importlib.util.find_spec("trame_slicer") is None:
        raise InputError(TRAME)
    prefer_egl()
    probe = subprocess.run([sys.executable, "-c", DRAWS], capture_output=True, stdin=subprocess.DEVNULL)
    if probe.returncode != 0:
        raise InputError(OPENGL)


def prefer_egl() -> None:
    """Let VTK draw without a screen where there is none, instead of looking for one first and complaining."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


def _shown_host(host: str) -> str:
    """Return what a browser elsewhere calls a server that listens at ``host``."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
