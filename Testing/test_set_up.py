"""What a user meets when ``python3 run.py`` sets itself up, and when it cannot."""

import ast
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import run as launcher

ROOT = Path(__file__).resolve().parents[1]
# An index that refuses at once, and none of the indices or wheels that this machine may have configured.
NO_NETWORK = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "1",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with run.py and a small library that prints the arguments it gets."""
    folder = tmp_path / "a project"
    (folder / "ONFHAssistLib").mkdir(parents=True)
    for name in ("run.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "locks", folder / "locks")
    (folder / "ONFHAssistLib" / "__init__.py").touch()
    (folder / "ONFHAssistLib" / "cli.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    return folder


def start(project: Path, *arguments: str, python: str = sys.executable, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, str(project / "run.py"), *arguments],
        env={**os.environ, "PYTHONPATH": "", **changes},
        capture_output=True,
        text=True,
        timeout=300,
    )


def set_up_without_network(project: Path, *extras: str) -> Path:
    """Make what a finished set-up leaves: an environment that knows the library, and the mark; pip is not in it."""
    environment = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.rglob("site-packages"))
    (packages / "project.pth").write_text(f"{project}\n")
    (environment / "ran").touch()
    code = (
        f"import os, run; run.write_mark({{'fingerprint': run.fingerprint(), 'extras': {list(extras)}, "
        "'base': os.path.realpath(os.path.join(run.VENV, 'bin', 'python'))})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project, env={**os.environ, "PYTHONPATH": ""}, check=True)
    return environment


def fake(folder: Path, name: str, code: str) -> str:
    """A module that takes the place of another one in run.py's own process; returns the PYTHONPATH for it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    return str(folder)


def assert_one_message(result: subprocess.CompletedProcess, *parts: str) -> None:
    message = [line for line in result.stderr.splitlines() if line.startswith("run.py: ")]
    assert result.returncode == 1
    assert len(message) == 1 and "Traceback" not in result.stderr, result.stderr
    for part in parts:
        assert part in message[0]


def test_an_unsupported_python_is_named_with_those_wanted(project: Path, tmp_path: Path):
    path = fake(tmp_path / "fakes", "sitecustomize", "import sys\nsys.version_info = (3, 9, 1, 'final', 0)\n")
    result = start(project, PYTHONPATH=path)
    assert_one_message(result, "3.11, 3.12 or 3.13", "Python 3.9.1", sys.executable)
    assert not (project / ".venv").exists()


def test_run_py_can_be_read_by_python_3_6():
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_run_py_and_pyproject_want_the_same_pythons():
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    lowest, highest = launcher.PYTHONS[0], launcher.PYTHONS[-1]
    assert wanted == f">={lowest[0]}.{lowest[1]},<{highest[0]}.{highest[1] + 1}"


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_says_what_to_install(project: Path, tmp_path: Path, module: str):
    path = fake(tmp_path / "fakes", module, f"raise ImportError('No module named {module}')\n")
    result = start(project, PYTHONPATH=path)
    assert_one_message(result, module, f"sudo apt install python3.{sys.version_info[1]}-venv")
    assert not (project / ".venv").exists()


def test_without_network_it_says_so(project: Path):
    assert_one_message(
        start(project, **NO_NETWORK), "installing the dependencies failed", "no network?", "PIP_INDEX_URL"
    )


def test_a_folder_that_cannot_be_written_is_named(project: Path, tmp_path: Path):
    code = "import os\ndef mkdir(*_, **__): raise PermissionError(13, 'Permission denied')\nos.mkdir = mkdir\n"
    result = start(project, PYTHONPATH=fake(tmp_path / "fakes", "sitecustomize", code))
    assert_one_message(result, "no permission to write", str(project))


def test_an_environment_of_the_users_own_is_not_touched(project: Path):
    (project / ".venv").mkdir()
    (project / ".venv" / "mine").write_text("precious")
    assert_one_message(start(project), "was not made by run.py", "rename or remove it")
    assert (project / ".venv" / "mine").read_text() == "precious"


def test_the_second_start_hands_everything_over_without_pip(project: Path):
    set_up_without_network(project)
    result = start(project, "grade", "my hip.nii.gz", "--out", "a b", "--json", **NO_NETWORK)
    assert (result.returncode, result.stderr) == (7, "")
    assert result.stdout == "['grade', 'my hip.nii.gz', '--out', 'a b', '--json']\n"


def test_without_arguments_the_sample_study_is_reviewed(project: Path):
    set_up_without_network(project, "review")
    assert start(project, **NO_NETWORK).stdout == "['review']\n"


def test_only_a_review_needs_what_the_browser_needs(project: Path):
    set_up_without_network(project)
    assert start(project, "grade", "x", **NO_NETWORK).stdout == "['grade', 'x']\n"
    assert_one_message(start(project, "review", "x"), "No module named pip")


def test_the_second_start_runs_no_step_and_starts_one_program(project: Path, steps: list[str], monkeypatch):
    launcher.prepare([])
    steps.clear()
    started = []
    monkeypatch.setattr(launcher, "run", lambda command, folder=None: started.append(command) or 7)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("another process was started"))
    assert launcher.main(["--version"]) == 7
    assert steps == [] and [command[1:] for command in started] == [["-P", "-m", "ONFHAssistLib.cli", "--version"]]


@pytest.fixture
def steps(project: Path, monkeypatch) -> list[str]:
    """Let the launcher work on the small project in this process, and record its steps instead of running them."""
    done: list[str] = []

    def execute(command, step):
        done.append(step)
        launcher.read_mark()["unfinished"]  # said before the first change
        if "-m venv" in " ".join(command):
            (project / ".venv" / "bin").mkdir()
            (project / ".venv" / "bin" / "python").symlink_to(sys.executable)

    venv = project / ".venv"
    paths = {"ROOT": project, "VENV": venv, "MARK": venv / "onfh-assist.json", "LOG": venv / "setup.log"}
    for name, path in paths.items():
        monkeypatch.setattr(launcher, name, str(path))
    monkeypatch.setattr(launcher, "execute", execute)
    monkeypatch.setattr(launcher, "torch_options", list)
    return done


INSTALLED = ["installing the dependencies", "installing ONFHAssist"]
ANEW = ["making the virtual environment", *INSTALLED]


def test_the_set_up_is_made_once(steps: list[str]):
    launcher.prepare([])
    launcher.prepare([])
    assert steps == ANEW


@pytest.mark.parametrize("change", ["unfinished", "broken mark", "python removed"])
def test_an_interrupted_or_broken_set_up_is_made_anew(project: Path, steps: list[str], change: str):
    launcher.prepare([])
    environment = project / ".venv"
    (environment / "half written").touch()
    if change == "unfinished":
        launcher.write_mark({"unfinished": True})
    elif change == "broken mark":
        (environment / "onfh-assist.json").write_text('{"fingerp')
    else:
        (environment / "bin" / "python").unlink()
    launcher.prepare([])
    assert steps == ANEW * 2 and not (environment / "half written").exists()
    launcher.prepare([])
    assert steps == ANEW * 2


def test_extras_are_added_and_stay(project: Path, steps: list[str]):
    launcher.prepare([])
    launcher.prepare(["test", "train"])
    launcher.prepare([])
    launcher.prepare(["test"])
    assert steps == [*ANEW, "installing the dependencies", "installing torch", "installing ONFHAssist"]
    with open(project / "pyproject.toml", "a") as file:
        file.write("# another pin\n")
    launcher.prepare([])
    assert launcher.read_mark()["extras"] == ["test", "train"]


def test_two_starts_at_once_make_one_environment(project: Path, steps: list[str]):
    with contextlib.ExitStack() as first:
        first.enter_context(launcher.one_at_a_time())
        second = subprocess.Popen(
            [sys.executable, str(project / "run.py"), "--version"],
            env={**os.environ, "PYTHONPATH": "", **NO_NETWORK},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with second:
            assert second.stderr is not None
            assert second.stderr.readline().startswith("Another start of run.py is setting up ")
            environment = set_up_without_network(project)
            first.close()
            out, err = second.communicate(timeout=60)
    assert (second.returncode, out, err) == (7, "['--version']\n", "")
    assert (environment / "ran").exists(), "the first one's environment was taken away"


def test_a_moved_folder_is_installed_again(project: Path):
    set_up_without_network(project)
    moved = project.rename(project.with_name("moved"))
    assert_one_message(start(moved), "installing the dependencies failed: ", "No module named pip")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to a process of one's own")
def test_ctrl_c_during_the_set_up_stops_it_and_the_next_start_takes_it_up(project: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that accepts and never answers
        index = {"PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple"}
        process = subprocess.Popen(
            [sys.executable, str(project / "run.py")],
            env={**os.environ, "PYTHONPATH": "", **NO_NETWORK, **index},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            silent.settimeout(200)
            connection, _ = silent.accept()
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        connection.close()
    assert process.returncode == 130
    assert err.endswith("run.py: stopped; the next start takes it up again.\n") and "Traceback" not in err
    assert json.loads((project / ".venv" / "onfh-assist.json").read_text()) == {"unfinished": True}


def test_changed_pins_are_installed_and_a_failure_leaves_what_worked(project: Path):
    environment = set_up_without_network(project)
    mark = (environment / "onfh-assist.json").read_text()
    with open(project / "pyproject.toml", "a") as file:
        file.write("# a change\n")
    assert_one_message(start(project), "No module named pip")
    assert json.loads((environment / "onfh-assist.json").read_text()) == json.loads(mark)
    assert (environment / "ran").exists()


def test_the_tests_extra_is_added_to_an_environment_without_it(project: Path):
    set_up_without_network(project)
    assert_one_message(start(project, "test"), "No module named pip")
    assert start(project, "--version").returncode == 7


def test_the_tests_of_the_slicer_module_have_an_environment_of_their_own(project: Path):
    set_up_without_network(project)
    result = start(project, "test-slicer", **NO_NETWORK)
    assert_one_message(result, "installing the dependencies failed")
    assert (project / ".venv-slicer").is_dir()
    assert start(project, "x").stdout == "['x']\n"


def test_a_python_path_of_another_program_does_not_leak_in(project: Path, tmp_path: Path):
    set_up_without_network(project)
    path = fake(tmp_path / "fakes", "ONFHAssistLib", "raise SystemExit('leaked')\n")
    assert start(project, "x", PYTHONPATH=path).stdout == "['x']\n"


@pytest.mark.parametrize(
    ("output", "number", "part"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
            None,
            "disk is full",
        ),
        ("", errno.ENOSPC, "disk is full"),
        ("", errno.EROFS, "no permission to write"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'\n",
            None,
            "permission",
        ),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))\nERROR: No matching", None, "PIP_CERT"),
        (
            "Temporary failure in name resolution\nERROR: No matching distribution found for rich==15.0.0",
            None,
            "network",
        ),
        ('WARNING: Retrying ... ReadTimeoutError("Read timed out.")', None, "network"),
        ("ERROR: No matching distribution found for openvino==1.2\n", None, "has no openvino==1.2"),
        ("x\nerror: could not build\n\nnote: see above\n", None, "error: could not build"),
        ("", None, "no reason given"),
    ],
)
def test_each_failure_of_pip_says_what_to_do(output: str, number: int | None, part: str):
    assert part in launcher.explain(output, number)


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", None, True),
        ("linux", "PIP_INDEX_URL", False),
        ("linux", "PIP_NO_INDEX", False),
        ("darwin", None, False),
    ],
)
def test_linux_gets_the_small_torch_unless_an_index_is_chosen(monkeypatch, platform, variable, expected):
    class Answer:
        def close(self) -> None:
            pass

    monkeypatch.setattr(sys, "platform", platform)
    for name in ("PIP_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "https://mirror.example/simple")
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer())
    assert bool(launcher.torch_options()) is expected


def test_an_index_of_torch_that_does_not_answer_is_left_out(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("PIP_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert launcher.torch_options() == []


def locked(name: str) -> dict[str, str]:
    """Return the versions in a lock; of several for several Pythons the first."""
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(reversed(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)))


@pytest.mark.parametrize(("name", "extras"), launcher.LOCKS)
def test_a_lock_has_the_versions_of_the_project_and_the_hash_of_every_file(name: str, extras: tuple[str, ...]):
    """Where this fails after a change of pyproject.toml: .ci/release lock."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = project["dependencies"] + [pin for extra in extras for pin in project["optional-dependencies"][extra]]
    wanted = dict(re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==(.+)", pin.lower()).groups() for pin in pins)
    wanted.pop("torch", None)
    found = locked(name)
    assert {package: found.get(package.replace("_", "-")) for package in wanted} == wanted
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    for block in re.split(r"\n(?=[\w.-]+==)", text):
        assert "--hash=sha256:" in block and "://" not in block


def test_no_telemetry_and_no_second_torch_is_installed():
    for name, _ in launcher.LOCKS:
        assert not [package for package in locked(name) if re.match("openvino-telemetry|torch$|nvidia|triton", package)]


def test_the_packages_are_installed_with_their_hashes_and_torch_by_its_pin(
    project: Path, steps: list[str], monkeypatch
):
    commands = []
    execute = launcher.execute
    monkeypatch.setattr(launcher, "execute", lambda command, step: commands.append(command) or execute(command, step))
    launcher.prepare(["review", "test", "train"])
    _, packages, torch, own = (" ".join(command) for command in commands)
    assert "--require-hashes" in packages and "--no-deps" in packages and os.path.join("locks", "test.txt") in packages
    assert "torch==" in torch and "--no-deps" in own and "--no-build-isolation" in own


def test_a_package_that_was_exchanged_is_refused():
    said = launcher.explain("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
    assert "hash differs" in said and "mirror" in said


def test_every_dependency_is_pinned_to_one_version():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    assert [pin for pins in lists for pin in pins if not re.fullmatch(r"[\w.-]+(\[\w+\])?==[\d.]+", pin)] == []
