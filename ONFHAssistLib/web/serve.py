"""Start the browser reviewer: a free port, the rules at the door, the page."""

import socket
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.web.guard import is_loopback, new_token
from ONFHAssistLib.web.worklist import STATE_FOLDER

PORT, PORTS = 8080, 50
"""The first port that is tried, and how many after it."""


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, where.

    Attributes:
        place: a folder of studies, or one study.
        host: address to listen at; other machines can connect to all but 127.0.0.1, and need a token then.
        port: the next free one is taken where it is in use.
        state: folder for drafts; None for ``onfh-review`` inside ``place``.
        cases: folder for cases that were signed; None for ``cases`` inside ``state``.
        open_first: open the first study of the list at the start, analysing it if need be.
        browser: show the page in this machine's browser.
    """

    place: Path
    host: str = "127.0.0.1"
    port: int = PORT
    state: Path | None = None
    cases: Path | None = None
    open_first: bool = False
    browser: bool = False


def serve(options: ServeOptions, tell: Callable[[str], None] = print, needs_browser: bool = False) -> None:
    """Serve until Ctrl-C.

    Args:
        options: see there.
        tell: prints a line, such as the address.
        needs_browser: serving makes no sense without one on this machine.

    Raises:
        InputError: no port is free, the folder cannot be used, OpenGL or trame-slicer is missing, or the browser that
            is needed.
    """
    require_libraries()
    if needs_browser and options.browser:
        require_browser()
    port = free_port(options.host, options.port)
    if port != options.port:
        tell(f"Port {options.port} is in use; port {port} is taken.")
    folder = options.place if options.place.is_dir() else options.place.parent
    state = options.state or folder / STATE_FOLDER
    token = None if is_loopback(options.host) else new_token()

    from ONFHAssistLib.web.app import ReviewerApp

    app = ReviewerApp(sys.executable, options.place, state, options.cases or state / "cases")
    address = f"http://{options.host}:{port}/" + (f"index.html?token={token}" if token else "")
    app.run(
        options.host, port, token, lambda: tell(f"Open {address} in a browser. Ctrl-C ends it."), options.open_first
    )


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


def require_browser() -> None:
    """Raise InputError where this machine has no web browser, or no screen to show one on."""
    try:
        webbrowser.get()
    except webbrowser.Error as error:
        raise InputError(
            "no web browser was found on this machine; install one, or look at the page from another machine with: "
            "onfh-assist review --host 0.0.0.0 --no-browser"
        ) from error


def require_libraries() -> None:
    """Raise InputError with the remedy where trame-slicer or OpenGL is missing."""
    try:
        import trame_slicer  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "The browser reviewer needs trame-slicer; install it with: pip install onfh-assist[review]"
        ) from error
    except ImportError as error:
        raise InputError(
            f"The browser reviewer needs OpenGL ({error}); on Debian or Ubuntu install it with: "
            "sudo apt install libegl1 libgl1 libgl1-mesa-dri"
        ) from error
