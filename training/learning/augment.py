"""Random changes of whole batches during training, on the device of the tensors and their generator."""

import torch
from torch.nn import functional as F

from training.real.labelled import IGNORE


def _draw(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def decode(images: torch.Tensor) -> torch.Tensor:
    """Turn stored uint8 patches back into normalised intensities."""
    return (images.float() - 128) / 80


def geometry(
    images: torch.Tensor,
    labels: torch.Tensor,
    size_px: int,
    shift_px: float,
    generator: torch.Generator,
    strength: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, scale, shift and crop: images (n, c, s, s) and labels (n, s, s) to ``size_px``.

    Turns up to 25 degrees, scales by 0.82 to 1.2 and each axis by another 5 %, shifts up to ``shift_px`` pixels;
    ``strength`` is the part of all but the shift that is done.
    """
    n, stored = len(images), images.shape[-1]
    turn = strength * _draw((n,), -0.44, 0.44, generator)
    scale = (_draw((n, 1), 0.82, 1.2, generator) * _draw((n, 2), 0.95, 1.05, generator)) ** strength
    shift = _draw((n, 2), -2 * shift_px / stored, 2 * shift_px / stored, generator)
    cos, sin = torch.cos(turn), torch.sin(turn)
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * scale[:, None]
    matrix = matrix * (size_px / stored)
    theta = torch.cat([matrix, shift[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [n, 1, size_px, size_px], align_corners=False)
    # Outside the image is 0, as at inference: stored images are normalised, so 0 is mid-grey there too.
    out = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    target = F.grid_sample(labels[:, None].float() - IGNORE, grid, mode="nearest", align_corners=False)[:, 0] + IGNORE
    return out, target.long()


def intensity(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Change contrast, brightness, gamma, sharpness, bias field and noise of normalised images (n, 3, s, s)."""
    n, _, size, _ = images.shape
    unit = ((images + 1.5) / 3).clamp(0, 1)
    gamma = torch.exp(_draw((n, 1, 1, 1), -0.45, 0.45, generator))
    images = unit.pow(gamma) * 3 - 1.5
    images = images * _draw((n, 1, 1, 1), 0.8, 1.2, generator) + _draw((n, 1, 1, 1), -0.2, 0.2, generator)
    coarse = torch.randn((n, 1, 3, 3), generator=generator, device=generator.device)
    bias = F.interpolate(coarse * 0.12, size=(size, size), mode="bicubic")
    images = images + bias * (images + 1.5)
    blurred = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = torch.lerp(images, blurred, _draw((n, 1, 1, 1), -0.4, 1.0, generator))
    # One neighbour may be missing (end of the stack) or far away (thick slices).
    lost = torch.rand((n,), generator=generator, device=generator.device)
    for channel, chosen in ((0, lost < 0.06), (2, lost > 0.94)):
        images[chosen, channel] = images[chosen, 1]
    noise = torch.randn(images.shape, generator=generator, device=generator.device)
    strength = _draw((n, 1, 1, 1), 0.0, 0.1, generator)
    # One image in seven is as grainy as a fast sequence at low field.
    poor = _draw((n, 1, 1, 1), 0.0, 1.0, generator) < 1 / 7
    return images + noise * torch.where(poor, strength * 5, strength)


def grain(images: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Add the grain of marrow: noise as coarse as three pixels, another one in each slice of images (n, 3, s, s).

    A cloudy patch on a single slice of a sound head (case 21) is what a network took for a lesion that had been trained
    on with few sound heads.

    Args:
        images: normalised.
        strength: the largest standard deviation as a part of the brightness, before smoothing takes a sixth off it;
            each image gets 0 to that.
        generator: source of all that is random.
    """
    n, slices, size, _ = images.shape
    coarse = torch.randn((n, slices, size // 3, size // 3), generator=generator, device=generator.device)
    noise = F.interpolate(coarse, size=(size, size), mode="bicubic") * _draw((n, 1, 1, 1), 0.0, strength, generator)
    return images + noise * (images + 1.5)
