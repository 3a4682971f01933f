"""Stands in for training/train.py: it says what that says, and ends as the file ``behaviour`` of its clone tells."""

import os
import subprocess
import sys
import time
from pathlib import Path

behaviour = Path("behaviour").read_text()
Path("arguments").write_text("\n".join(sys.argv[1:]))
if behaviour == "no torch":
    raise ModuleNotFoundError("No module named 'torch'", name="torch")
if behaviour == "refuse":
    print("Dataset101_Heads has no approved case to learn from; annotate more.", file=sys.stderr)
    sys.exit(2)
if behaviour == "memory":
    raise MemoryError
if behaviour == "crash":
    raise RuntimeError
if behaviour == "slow":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path("pids").write_text(f"{os.getpid()} {child.pid}")
print("step 100: loss 0.9000, validation 0.7000\nstep 300: loss 0.8000, validation 0.8123")
if behaviour == "slow":
    time.sleep(60)
print("Trained: training/runs/checkpoint.pt")
