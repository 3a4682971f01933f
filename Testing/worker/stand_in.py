"""A real worker process whose analysis misbehaves as asked for, so that no test waits for networks.

python stand_in.py BEHAVIOUR [FILE]: FILE gets the pid of the process, one line for each start.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import ONFHAssistLib.analysis
from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.worker import serve

behaviour = sys.argv[1]
opened = 0


def open_models(device, engine, precision, systems):
    global opened
    opened += 1
    if behaviour == "no openvino":
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
    return SimpleNamespace(number=opened, how=(device, engine, precision, *systems))


def analyse(study, options, progress, cancelled, models):
    progress(0.3, "Thinking")
    if behaviour == "deaf":
        time.sleep(60)
    if behaviour == "deaf family":
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], check=True)
    if behaviour == "holds the interpreter":  # a library that computes without letting the other threads run
        ctypes.PyDLL(None).sleep(60)
    if behaviour == "listens":
        while not cancelled():
            time.sleep(0.01)
        raise Cancelled
    if behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "crashes":
        os.abort()
    if behaviour == "exits":
        os._exit(3)
    if behaviour == "no memory":
        np.zeros(1 << 60, np.uint8)
    if behaviour == "no memory in C++":
        raise RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:\nstd::bad_alloc")
    if behaviour == "refuses":
        raise InputError("This image shows a knee; give an image of the hip.")
    if behaviour == "has a fault":
        raise ZeroDivisionError("division by zero")
    if behaviour == "says garbage":
        serve_answers.write(b"Segmentation fault\n")
        serve_answers.flush()
        time.sleep(60)
    if behaviour == "says half a message":
        serve_answers.write(b'{"kind": "progress", "id": 1, "stage": "Thinking", "arrays": []}\n')
        serve_answers.flush()
        time.sleep(60)
    if behaviour == "says what nobody says":
        serve_answers.write(b'{"kind": "done", "id": 1, "arrays": []}\n')
        serve_answers.flush()
        time.sleep(60)
    if behaviour == "says half a result":
        serve_answers.write(
            b'{"kind": "finished", "id": 1, "result": {}, "arrays": [{"dtype": "|b1", "shape": [9]}]}\n1'
        )
        serve_answers.flush()
        os._exit(0)
    if behaviour == "says an object":
        serve_answers.write(b'{"kind": "finished", "id": 1, "result": {}, "arrays": [{"dtype": "|O", "shape": [1]}]}\n')
        serve_answers.flush()
        time.sleep(60)
    print("a library that prints")
    os.write(1, b"a library that prints from C\n")
    facts = [f"pid {os.getpid()}", f"models {models.number}", f"run as {models.how}", f"sum {study.volume.array.sum()}"]
    facts += [f"options {options}", f"patient {study.patient}", f"cores {core_limit()}"]
    hips = tuple(HipResult(side, "not graded", f"There is metal in the {side} hip.") for side in options.sides)
    return StudyResult(study.volume, study.source, hips, (), tuple(Notice("fact", fact) for fact in facts))


def core_limit():
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)


ONFHAssistLib.analysis.analyse = analyse
ONFHAssistLib.analysis.open_models = open_models
own_stdout = serve._own_stdout


def remember():
    global serve_answers
    serve_answers = own_stdout()
    return serve_answers


serve._own_stdout = remember
if len(sys.argv) > 2:
    with Path(sys.argv[2]).open("a") as file:
        file.write(f"{os.getpid()}\n")
serve.main()
