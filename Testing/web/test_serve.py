"""The command that starts the server: ports, hosts, what is missing, and what it prints."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.web import serve as serving
from ONFHAssistLib.web.serve import free_port, has_browser, require_libraries
from ONFHAssistLib.web.worklist import studies_in

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "import sys; from ONFHAssistLib.cli import main; sys.exit(main())", "review")


class Server:
    """`onfh-assist review` in a process of its own; ``said`` is what it has printed up to its address."""

    def __init__(self, *arguments: object, cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": tempfile.gettempdir()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def __enter__(self) -> "Server":
        while "Ctrl-C ends it" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it has ended: {self.said}"
            self.said += line
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        try:
            self.rest = self.process.communicate(timeout=20)[0]
        finally:
            self.process.kill()

    @property
    def address(self) -> str:
        return re.search(r"Open (\S+) in a browser", self.said)[1]

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.address)[1])

    @property
    def token(self) -> str:
        return re.search(r"\?token=([\w-]{32,})$", self.address)[1]

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask for a path as the browser that has opened the printed link, or with another cookie."""
        there = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        there.request("GET", path, headers={"Cookie": f"onfh-assist-{self.port}={self.token}"} | headers)
        answer = there.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def test_the_server_says_where_it_is_and_nothing_else_and_ends_with_ctrl_c(place: Path, tmp_path: Path):
    with Server(place, "--drafts", tmp_path / "state", "--port", 18500, "--no-browser") as server:
        status, page = server.get("/")
        assert status == 200 and "ONFHAssist" in page and "newer browser" in page
    assert server.said == f"Open {server.address} in a browser. Ctrl-C ends it.\n"
    assert (server.process.returncode, server.rest.strip()) == (0, "")


def test_a_port_in_use_is_told_and_the_next_free_one_taken(place: Path, tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with Server(place, "--drafts", tmp_path / "state", "--port", port, "--no-browser") as server:
            assert f"Port {port} is in use; port " in server.said and f":{port}/" not in server.address
            assert server.get("/")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_for_other_machines_and_other_accounts_a_token_is_wanted(place: Path, tmp_path: Path, host: str):
    with Server(place, "--drafts", tmp_path / "s", "--host", host, "--port", 18520, "--no-browser") as server:
        for path in ("/", "/index.html?token=wrong", "/index.html?code=", "/ws", "/logo.png"):
            assert server.get(path, Cookie="")[0] == 403
        status, page = server.get(f"/index.html?token={server.token}", Cookie="")
        assert status == 200 and "newer browser" not in page and server.token not in page
        assert "newer browser" in server.get("/index.html")[1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ps, modes of files and BROWSER are Linux's here")
def test_the_command_line_of_the_browser_lets_nobody_in(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$*" > {seen}.new; mv {seen}.new {seen}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    monkeypatch.setattr(serving, "require_libraries", lambda: None)
    old = os.umask(0)
    try:
        server = Server(place, "--drafts", tmp_path / "s", "--port", 18580)
    finally:
        os.umask(old)
    with server:
        end = time.monotonic() + 20
        while not seen.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        said = seen.read_text().strip()
        assert said.startswith("file:///") and server.token not in said
        file = Path(said.removeprefix("file://"))
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        way = re.search(r'url=http://127.0.0.1:\d+(/index.html\?code=[\w-]{32,})"', file.read_text())[1]
        assert way.partition("=")[2] not in said + server.said
        assert [server.get(way, Cookie="")[0] for _ in range(2)] == [200, 403]
    assert not file.parent.exists(), "nothing is left"


@pytest.mark.parametrize(
    "path", ["/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/sample.nii.gz"]
)
def test_no_path_leads_to_files(running: Server, path: str):
    status, page = running.get(path)
    assert status in (400, 403, 404, 405) and "root:" not in page


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory):
    """One server for several tests, on an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    with Server(folder, "--drafts", tmp_path_factory.mktemp("state"), "--port", 18540, "--no-browser") as server:
        yield server


def test_a_page_from_elsewhere_cannot_connect(running: Server):
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert running.get("/ws", Origin="http://evil.example", **upgrade)[0] == 403
    assert running.get("/ws", **upgrade)[0] == 403


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    command = [*COMMAND, str(tmp_path / "missing"), "--no-browser"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and "does not exist; check the path" in ended.stderr
    assert ended.stdout == "" and ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("notes.txt", "not a DICOM file"),
        ("cut.nii.gz", "damaged"),
        ("slice.mha", "one slice only"),
    ],
)
def test_one_file_that_cannot_be_used_is_refused_and_in_a_folder_it_is_listed(place: Path, name: str, says: str):
    file = place / name
    (place / "notes.txt").write_text("nothing")
    (place / "cut.nii.gz").write_bytes((place / "sample.nii.gz").read_bytes()[:20_000])
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(400.0).reshape(1, 20, 20)), str(place / "slice.mha"))
    ended = subprocess.run([*COMMAND, str(file), "--no-browser"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and re.search(says, ended.stderr) and ended.stderr.count("\n") == 1
    assert ended.stdout == "" and not (place / "onfh-review").exists()
    assert name in [entry.title for entry in studies_in(place)]


def test_without_opengl_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in (
        "libEGL.so.1",
        "libEGL.so",
        "libGL.so.1",
        "libGL.so",
        "libOpenGL.so.0",
        "libGLX.so.0",
        "libOSMesa.so.8",
    ):
        (tmp_path / name).write_text("no library")
    require_libraries()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(InputError, match="sudo apt install libegl1 libgl1 libgl1-mesa-dri"):
        require_libraries()


WITHOUT_THE_EXTRA = """
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("trame", "trame_slicer", "trame_server", "aiohttp", "slicer"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

import importlib.util

sys.meta_path.insert(0, Missing())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "trame_slicer" else find_spec(name)
sys.argv = ["onfh-assist", "review", sys.argv[1], "--no-browser"]
from ONFHAssistLib.cli import main

sys.exit(main())
"""


def test_without_trame_slicer_the_extra_is_named(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA, tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install onfh-assist[review]" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have a screen")
def test_the_sample_without_a_screen_says_how_to_see_the_page(monkeypatch: pytest.MonkeyPatch, capsys):
    from ONFHAssistLib import cli

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_browser()
    monkeypatch.setattr(cli, "grade", lambda place: print("the table"))
    assert cli.main(["review"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("the table\nThe page was not opened: no web browser") and "--host 0.0.0.0" in said


def test_a_host_that_is_not_ours_and_ports_that_are_all_taken_are_named():
    with pytest.raises(InputError, match="not an address of this machine"):
        free_port("203.0.113.7", 18600)
    with socket.socket() as last:
        last.bind(("127.0.0.1", 65535))
        last.listen()
        with pytest.raises(InputError, match="No port from 65535"):
            free_port("127.0.0.1", 65535)


def test_without_an_argument_the_sample_is_graded_and_then_served(tmp_path: Path):
    with Server("--drafts", tmp_path / "state", "--port", 18560, "--no-browser", cwd=tmp_path) as server:
        assert "The page was not opened" not in server.said
    assert (tmp_path / "onfh-report" / "report.html").exists()
