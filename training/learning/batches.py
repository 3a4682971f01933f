"""Batches of 2.5D patches for the anatomy and the necrosis network."""

from collections.abc import Iterator

import numpy as np
import torch

from training.learning.augment import decode, geometry, grain, intensity
from training.learning.config import Config, cache_path
from training.learning.losses import segmentation_loss
from training.learning.samples import make_cache
from training.learning.tasks import Batch, Task
from training.real.labelled import IGNORE

SCORED_PATCHES = 512
"""As many held-out patches are looked at after each epoch, spread evenly over all."""


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss and the score; makes the sample cache where it is missing.

    The score is the Dice of the held-out patches (``held_out``), pooled for each class and meaned over the classes.

    Args:
        config: see ``training/learning/config.py``.
        first_step: 0, or where a run goes on.
        device: where the batches are augmented and the network runs.
        part: of each batch, as several processes share it.
    """
    patch, options = config.patch, config.training
    path = cache_path(config)
    if not path.is_file():
        make_cache(path, config.task, patch, config.samples)
    with np.load(path) as cache:
        images, labels, real = (torch.from_numpy(cache[name]) for name in ("images", "labels", "real"))
        held = torch.from_numpy(held_out(cache))
    groups = (torch.nonzero(real & ~held)[:, 0], torch.nonzero(~real & ~held)[:, 0])
    batches = augmented(images, labels, groups, config, first_step, device, part)

    scored = torch.nonzero(held)[:, 0]
    scored = scored[:: -(-len(scored) // SCORED_PATCHES) or 1]
    border = (images.shape[-1] - patch.side_px) // 2
    inner = slice(border, border + patch.side_px)
    kept = images[scored][..., inner, inner], labels[scored][..., inner, inner]

    def score(network: torch.nn.Module) -> float:
        chunks = zip(*(x.split(options.batch) for x in kept), strict=True)
        return pooled_dice(network, ((decode(x.to(device)), y.to(device)) for x, y in chunks))

    return Task(batches, segmentation_loss, score if len(scored) else None)


def augmented(
    images: torch.Tensor,
    labels: torch.Tensor,
    groups: tuple[torch.Tensor, torch.Tensor],
    config: Config,
    first_step: int,
    device: torch.device,
    part: slice,
) -> Iterator[Batch]:
    """Draw and augment batches without end; see ``make_task``.

    Args:
        images: stored patches (n, c, s, s), uint8.
        labels: theirs (n, s, s), uint8.
        groups: numbers of the patches of real heads, and of the others; ``real_share`` of a batch is of the first.
        config: see ``training/learning/config.py``.
        first_step: 0, or where a run goes on.
        device: where the batches are augmented.
        part: of each batch, as several processes share it.
    """
    patch, options = config.patch, config.training
    share = options.real_share if len(groups[0]) else 0.0
    step = first_step
    while True:
        # One generator a step, so that a resumed run sees the same batches. All is drawn for the whole batch,
        # so that its samples do not depend on the number of processes.
        generator = torch.Generator(device).manual_seed(options.seed * 10_000_019 + step)
        size = (options.batch,)
        of_real = (torch.rand(size, generator=generator, device=device) < share).cpu()
        draws = [torch.randint(max(len(g), 1), size, generator=generator, device=device).cpu() for g in groups]
        picked = groups[1][draws[1]] if len(groups[1]) else groups[0][draws[0]]
        picked[of_real] = groups[0][draws[0][of_real]]
        x, y = decode(images[picked].to(device)), labels[picked].to(device)
        x, y = geometry(x, y, patch.side_px, patch.shift_px, generator)
        # The first three channels are slices, what follows is geometry.
        slices = intensity(x[:, :3], generator)
        if options.grain:
            slices = grain(slices, options.grain, generator)
        yield torch.cat([slices, x[:, 3:]], dim=1)[part], y[part]
        step += 1


def held_out(cache: dict[str, np.ndarray]) -> np.ndarray:
    """Tell which patches of a cache no network learns from: whole patients or hips, never some slices of one.

    Args:
        cache: ``validation`` (patches of ``VALIDATION_CASES``) where it has any of them, else every tenth hip of its
            ``group`` numbers, else, in a cache without these arrays, nothing.
    """
    if "validation" in cache and cache["validation"].any():
        return np.asarray(cache["validation"], bool)
    if "group" in cache:
        return np.asarray(cache["group"]) % 10 == 9
    return np.zeros(len(cache["real"]), bool)


def pooled_dice(network: torch.nn.Module, batches: Iterator[Batch]) -> float:
    """Dice of each foreground class over all pixels of all batches together, meaned over the classes that occur.

    What is marked where the class is not counts against it in images without the class, too. Pixels that are IGNORE
    are left out; where no class occurs or is marked, the Dice is 1.
    """
    found = []
    with torch.inference_mode():
        for images, target in batches:
            logits = network(images).float()
            known = target != IGNORE
            if logits.shape[1] == 1:
                marked, truth = logits[:, 0] > 0, target == 1
                marked, truth = marked[:, None], truth[:, None]
            else:
                classes = torch.arange(1, logits.shape[1], device=target.device)[:, None, None]
                marked, truth = logits.argmax(1)[:, None] == classes, target[:, None] == classes
            marked, truth = marked & known[:, None], truth & known[:, None]
            sizes = marked.sum((0, 2, 3)) + truth.sum((0, 2, 3))
            found.append(torch.stack([(marked & truth).sum((0, 2, 3)), sizes]))
    if not found:
        return 1.0
    both, sizes = torch.stack(found).sum(0).double()
    occurs = sizes > 0
    return float((2 * both[occurs] / sizes[occurs]).mean()) if occurs.any() else 1.0
