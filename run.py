#!/usr/bin/env python3
"""Set up ONFHAssist in .venv beside this file, once, and run it.

    python3 run.py                           grade the sample study and open it for review in the browser
    python3 run.py grade INPUT --out DIR     the same as: onfh-assist grade INPUT --out DIR
    python3 run.py review FOLDER             the same as: onfh-assist review FOLDER
    python3 run.py test [pytest options]     run all tests but those of the Slicer module
    python3 run.py test-slicer [options]     run those of the Slicer module and of the scene, in .venv-slicer

Only the standard library is used, and the syntax of Python 3.6, so that an old Python can say which one is wanted.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

PYTHONS = ((3, 11), (3, 12), (3, 13))  # the same range as requires-python in pyproject.toml
ROOT = os.path.dirname(os.path.abspath(__file__))
SLICER_TESTS = ("Testing/scene", "Testing/reviewer", "Testing/desktop")
# Every package with its hashes (locks/README.md), by the extras that a list covers; the first that covers all is taken.
LOCKS = (
    ("analysis", ()),
    ("review", ("review",)),
    ("slicer", ("slicer", "test")),
    ("test", ("review", "test", "train")),
)
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


VENV = MARK = LOG = ""  # set by the next function


def use_environment(name):
    """Let everything below work on the virtual environment of this name."""
    global VENV, MARK, LOG
    VENV = os.path.join(ROOT, name)
    MARK = os.path.join(VENV, "onfh-assist.json")
    LOG = os.path.join(VENV, "setup.log")


use_environment(".venv")


class SetupError(Exception):
    """A step of the set-up failed; the message says what is missing and what to do."""


def main(arguments):
    """Run the command that ``arguments`` ask for; returns the exit code."""
    try:
        check_python()
        if arguments[:1] == ["test"]:
            python = prepare(["review", "test", "train"])
            return run([python, "-m", "pytest", *arguments[1:]], folder=ROOT)
        if arguments[:1] == ["test-slicer"]:
            use_environment(".venv-slicer")  # the browser's extra pins an older slicer-core than desktop Slicer's
            python = prepare(["slicer", "test"])
            places = [] if any(os.path.exists(a.split("::")[0]) for a in arguments[1:]) else SLICER_TESTS
            return run([python, "-m", "pytest", *places, *arguments[1:]], folder=ROOT)
        wanted = arguments or ["review"]
        python = prepare(["review"] if wanted[0] == "review" else [])
        # -P: a file named numpy.py in the user's folder must not be imported in place of the library.
        return run([python, "-P", "-m", "ONFHAssistLib.cli", *wanted])
    except SetupError as error:
        sys.stderr.write(f"run.py: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("run.py: stopped; the next start takes it up again.\n")
        return 130


def check_python():
    """Refuse an unsupported Python and name one that is there, if any."""
    if sys.version_info[:2] in PYTHONS:
        return
    wanted = [f"{major}.{minor}" for major, minor in PYTHONS]
    there = [f"python{version}" for version in reversed(wanted) if shutil.which(f"python{version}")]
    remedy = f"start it with: {there[0]} run.py" if there else "install one from https://www.python.org/downloads/"
    found = ".".join(str(number) for number in sys.version_info[:3])
    raise SetupError(
        f"ONFHAssist needs Python {', '.join(wanted[:-1])} or {wanted[-1]}, and this is Python {found} "
        f"({sys.executable}); {remedy}"
    )


def prepare(extras):
    """Make or mend the virtual environment where needed; returns the path of its Python.

    The mark is written as unfinished before the first change and as finished after the last, so an interrupted
    set-up is seen and made anew.
    """
    python = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python" + (".exe" if os.name == "nt" else ""))
    if is_ready(python, extras):
        return python
    with one_at_a_time():
        if is_ready(python, extras):  # another start has done it meanwhile
            return python
        return set_up(python, extras)


def is_ready(python, extras):
    """Whether the environment is there, finished, up to date and has these extras."""
    mark = read_mark()
    return is_intact(python, mark) and mark["fingerprint"] == fingerprint() and set(extras) <= set(mark["extras"])


def is_intact(python, mark):
    """Whether the environment was finished once, by the Python that it still has."""
    return os.path.exists(python) and mark.get("base") == os.path.realpath(python)


@contextlib.contextmanager
def one_at_a_time():
    """Wait until no other start of run.py works on the environment; the system frees the lock of one that is killed."""
    try:
        file = open(VENV + ".lock", "a")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise SetupError(explain(str(error), error.errno)) from error
    try:
        if not take(file):
            sys.stderr.write(f"Another start of run.py is setting up {VENV}; waiting for it\n")
            while not take(file):
                time.sleep(0.5)
        yield
    finally:
        file.close()


def take(file):
    """Lock a file; returns False where another process has it."""
    try:
        if sys.platform == "win32":  # mypy knows this one
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # a network drive without locks
            return True
        raise SetupError(explain(str(error), error.errno)) from error
    return True


def set_up(python, extras):
    """Make or mend the environment; the caller has the lock."""
    mark = read_mark()
    finished = {"fingerprint": fingerprint(), "base": os.path.realpath(python)}
    intact = is_intact(python, mark)
    if os.path.lexists(VENV) and not mark:
        raise SetupError(f"{VENV} is in the way and was not made by run.py; rename or remove it, then start again")
    try:
        if not intact:
            sys.stderr.write(f"Setting up ONFHAssist in {VENV} (first start only, some minutes)\n")
            check_venv_module()
            if os.path.isdir(VENV):
                shutil.rmtree(VENV)
            os.mkdir(VENV)
        else:
            sys.stderr.write(f"Adding to {VENV} what this command needs (once, some minutes)\n")
        write_mark({"unfinished": True})
        if not intact:
            execute([sys.executable, "-m", "venv", VENV], "making the virtual environment")
        wanted = sorted(set(extras) | set(mark.get("extras", [])))
        try:
            install(python, wanted)
        except SetupError:
            if intact:  # pip changes nothing before everything is fetched, so what worked still works
                write_mark(mark)
            raise
        write_mark(dict(finished, base=os.path.realpath(python), extras=wanted))
    except OSError as error:
        raise SetupError(explain(str(error), error.errno)) from error
    return python


def read_mark():
    """What the last set-up left; empty when run.py made none."""
    try:
        with open(MARK) as file:
            return json.load(file)
    except (OSError, IOError):
        return {}
    except ValueError:
        return {"unfinished": True}


def write_mark(mark):
    """Replace the mark in one step."""
    with open(MARK + ".new", "w") as file:
        json.dump(mark, file)
    os.replace(MARK + ".new", MARK)


def fingerprint():
    """Changes whenever the environment has to be brought up to date: other pins, or the folder was moved."""
    digest = hashlib.sha256(ROOT.encode("utf-8"))
    for path in ["pyproject.toml"] + [os.path.join("locks", name + ".txt") for name, _ in LOCKS]:
        with open(os.path.join(ROOT, path), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def check_venv_module():
    """Refuse a Python without venv or ensurepip; Debian and Ubuntu ship them as a package of their own."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupError(
            f"this Python ({sys.executable}) lacks the module that makes virtual environments ({error}); on Debian or "
            f"Ubuntu install it with: sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv; "
            "elsewhere reinstall Python from https://www.python.org/downloads/"
        ) from error


def install(python, extras):
    """Install the locked dependencies, each file of which has its hash, and this project (editable).

    The locks name all that is needed, so pip looks for nothing else. torch is not in them (locks/README.md says why);
    its version is that of pyproject.toml, its index the one that `torch_options` or the user chooses.
    """
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    locked = next(name for name, covered in LOCKS if set(extras) <= set(covered))
    lock = os.path.join("locks", locked + ".txt")
    execute(pip + ["--no-deps", "--require-hashes", "--requirement", lock], "installing the dependencies")
    if "train" in extras:
        execute(pip + [torch_pin()] + torch_options(), "installing torch")
    # Nothing is fetched for this: the tool that it is built with is locked, too.
    execute(pip + ["--no-deps", "--no-build-isolation", "--editable", "."], "installing ONFHAssist")


def torch_pin():
    """The version of torch in pyproject.toml, as pip wants it."""
    with open(os.path.join(ROOT, "pyproject.toml"), encoding="utf-8") as file:
        return re.findall(r'"(torch==[^"]+)"', file.read())[0]


def torch_options():
    """Let pip find the CPU build of torch: on Linux the standard index has only the CUDA build of several gigabytes.

    An index that the user has set, or a network in which PyTorch's own index does not answer, is left as it is.
    """
    if not sys.platform.startswith("linux") or {"PIP_INDEX_URL", "PIP_NO_INDEX"} & set(os.environ):
        return []
    from urllib.request import urlopen

    try:
        urlopen(TORCH_CPU_INDEX + "/torch/", timeout=5).close()
    except (OSError, ValueError):
        return []
    return ["--extra-index-url", TORCH_CPU_INDEX]


def execute(command, step):
    """Run one step of the set-up; its output goes to the log, and one changing line to a terminal."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(PIP_USER="0", PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = []
    terminal = sys.stderr.isatty()
    assert process.stdout is not None  # it is a pipe
    try:
        with open(LOG, "a") as log:
            for said in process.stdout:
                line = said.decode("utf-8", "replace").encode("ascii", "replace").decode("ascii")
                lines.append(line)
                log.write(line)
                if terminal and line.strip():
                    sys.stderr.write(f"\r\033[K  {line.strip()[:70]}")
                    sys.stderr.flush()
    except BaseException:  # nothing may go on in the background
        process.kill()
        process.wait()
        raise
    if terminal:
        sys.stderr.write("\r\033[K")
    if process.wait() != 0:
        raise SetupError(f"{step} failed: {explain(''.join(lines))}")


def environment(**changes):
    """The user's environment without what would lead another Python's modules into ours."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    kept.update(changes)
    return kept


def explain(output, number=None):
    """Turn the output of a failed step, or the text and number of an OSError, into what is wrong and what to do."""
    if number == errno.ENOSPC or re.search(r"No space left on device|not enough space on the disk|Errno 28", output):
        return f"the disk is full; free about 3 GB for {VENV}, then start again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) or re.search(
        r"Permission denied|Access is denied|Read-only file system", output
    ):
        return f"no permission to write in {ROOT}; copy the project to a folder of your own, then start again"
    if re.search(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError", output):
        return (
            "the certificate of the package index is not trusted here; set PIP_CERT to your network's certificate file "
            "(ask your IT department), then start again"
        )
    if re.search(
        r"NewConnectionError|establish a new connection|ConnectTimeout|Read timed out|ReadTimeout|ProxyError"
        r"|name resolution|Name or service not known|getaddrinfo failed|Network is unreachable|Connection refused",
        output,
    ):
        return (
            "the package index does not answer (no network?); connect to the internet, or set HTTPS_PROXY to your "
            "proxy or PIP_INDEX_URL to a mirror, then start again; only the set-up needs the network"
        )
    if re.search(r"THESE PACKAGES DO NOT MATCH THE HASHES", output):
        return (
            "a package is another one than was released (its hash differs from that in locks/); ask whoever runs the "
            "mirror or proxy between you and the package index, and do not install it otherwise"
        )
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing:
        return (
            f"the package index does not answer, or has no {missing.group(1)} for this Python "
            f"({sys.version.split()[0]}, {sys.platform}); check the network, or try another supported Python"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no reason given"]
    errors = [line for line in lines if re.match(r"\w*error: (?!subprocess-exited)", line, re.IGNORECASE)]
    return f"{(errors or lines)[-1]}; the whole output is in {LOG}"


def run(command, folder=None):
    """Hand over to ``command``; returns its exit code (on POSIX it takes this process over and does not return)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if folder:
        os.chdir(folder)
    if os.name == "posix":
        os.execve(command[0], command, environment())
    process = subprocess.Popen(command, env=environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command got it too and ends by itself
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
