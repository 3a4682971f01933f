"""Train one network: ``python -m training.train training/configs/NAME.yaml``.

To train a network on with reviewed cases: ``python -m training.train training/configs/finetune_necrosis.yaml --data
DatasetNNN_Name --init necrosis`` begins with the weights of a bundle (its name, id or folder) and learns from a data
set or an export of one (``training/learning/curated.py``). One fold of its patients chooses the checkpoint, another one
is kept out; ``training.make_bundle`` makes a bundle of the run as of any other, ``training.calibrate --data`` gives it
the interval of its ratio and ``training.compare --data`` measures it, both with the fold kept out.

On a machine with several GPUs: ``torchrun --nproc_per_node=N -m training.train training/configs/NAME.yaml``. Each
process takes its part of each batch; the samples, and but for rounding the weights, do not depend on their number.

The run lives in ``training/runs/NAME``: the config, TensorBoard logs, and after each epoch (``epoch_steps`` of the
config, 500 unless told) ``checkpoint.pt`` (weights, moving average, optimiser, step) and ``best.pt`` (the same, of the
epoch whose moving average did best on the samples held out). Started again, it goes on from ``checkpoint.pt``; the same
seed gives the same samples, batches and weights on the same kind of machine.
"""

import argparse
import os
from importlib import import_module
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.installed import find_bundle
from training.learning.config import read_config
from training.learning.curated import cautions, with_data, with_init
from training.learning.loop import TASKS, train
from training.learning.processes import process_group
from training.learning.tasks import TaskMaker


def _fold_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data set of reviewed cases, or an export of one")
    parser.add_argument("--init", metavar="BUNDLE", help="name, id or folder of the bundle to begin with")
    parser.add_argument("--fold", type=int, default=0, help="of the data set: chooses the checkpoint (default: 0)")
    parser.add_argument(
        "--keep-out",
        type=_fold_or_none,
        default=4,
        help="fold that is kept out for training.calibrate and training.compare, or none (default: 4)",
    )
    options = parser.parse_args()
    try:
        config = read_config(options.config)
        init = find_bundle(options.init) if options.init else None
        if options.data:
            config = with_data(config, options.data, init, options.fold, options.keep_out)
            if config.task == "necrosis" and os.environ.get("RANK", "0") == "0":
                for line in cautions(options.data):
                    print(line)
        elif init:
            config = with_init(config, init)
        with process_group() as rank:
            checkpoint = train(config, data=options.data, init=init, make_task=_task_of_a_system(config.task))
    except InputError as error:
        parser.exit(2, f"{error}\n" if os.environ.get("RANK", "0") == "0" else None)
    if rank == 0:
        print(f"Trained: {checkpoint}")


def _task_of_a_system(name: str) -> TaskMaker | None:
    """Return what makes the task of a system, in the room of that name; None for the project's own networks."""
    return None if name in TASKS else import_module(f"training.{name}.task").make_task


if __name__ == "__main__":
    main()
