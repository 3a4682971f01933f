"""The three networks of the S-T1 comparison: U-Net, the same U-Net with two more paths in training, and LinkNet.

The U-Net is MONAI's ``UNet`` of the config. S-T1 is that network: its two paths of supervision, geometric and
pixel-level, hang on it during training only, so it costs the same in use and its bundle holds plain UNet weights.
"""

import math

import numpy as np
import torch
from monai.networks.nets.resnet import ResNetBlock
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from ONFHAssistLib.models.networks import build_network
from training.learning.config import Config
from training.learning.losses import segmentation_loss
from training.real.labelled import IGNORE

KINDS = {"s-t1": "S-T1 (U-Net with two more paths)", "u-net": "U-Net", "linknet": "LinkNet"}
LINKNET_WIDTHS = (24, 48, 96, 192)
LINKNET_LAST = 18
"""Channels of the stages (64 to 512 in the paper) and of the last block (32 there): as costly as the U-Net."""
PATH_WEIGHT = 0.5
"""Weight of each path beside the loss of the output."""
Given = torch.Tensor | tuple[torch.Tensor, ...]
"""What a network gives in training."""
DISTANCE_MM = 6.0
"""The distance map is tanh(distance / this): what is far off does not matter."""


def make_network(kind: str, config: Config) -> nn.Module:
    """Build a network of ``KINDS`` for (n, 1, s, s) in and logits (n, 1, s, s) out, with random weights."""
    if kind == "linknet":
        return LinkNet()
    network = build_network(config.network)
    return SupervisedUNet(network, config) if kind == "s-t1" else network


def shipped(network: nn.Module) -> nn.Module:
    """Return what is left after training: the network without its paths."""
    return network.network if isinstance(network, SupervisedUNet) else network


def gflop(network: nn.Module, size_px: int) -> float:
    """Cost of one slice of (size_px, size_px) in GFLOP, where a multiplication with its addition counts as 2."""
    from torch.utils.flop_counter import FlopCounterMode

    was = network.training
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, size_px, size_px))
    network.train(was)
    return counter.get_total_flops() / 1e9


def loss_of(given: Given, labels: torch.Tensor, pixel_mm: float) -> torch.Tensor:
    """Loss of a batch: cross-entropy plus Dice of the output, and of S-T1's paths.

    Args:
        given: by a network of ``make_network`` in training: logits, or with the paths as ``with_paths`` returns them.
        labels: int64 (n, s, s): 1 head, 0 not, IGNORE unknown.
        pixel_mm: size of a pixel of the labels.
    """
    if isinstance(given, torch.Tensor):
        return segmentation_loss(given, labels)
    logits, *coarse, distance, circle = given
    loss = segmentation_loss(logits, labels)
    pixel = [segmentation_loss(part, _smaller(labels, part.shape[-1])) for part in coarse]
    small = _smaller(labels, distance.shape[-1])
    map_of, known = distance_maps(small, pixel_mm * labels.shape[-1] / small.shape[-1])
    error = F.smooth_l1_loss(distance[:, 0], map_of, beta=0.1, reduction="none")
    geometric = (error * known).sum() / known.sum().clamp(min=1)
    wanted, there = circles(labels)
    off = F.smooth_l1_loss(circle, wanted, beta=0.05, reduction="none").mean(1)
    geometric = geometric + (off * there).sum() / there.sum().clamp(min=1)
    return loss + PATH_WEIGHT * (sum(pixel) / len(pixel) + geometric)


class SupervisedUNet(nn.Module):
    """A MONAI ``UNet`` with two independent paths that only training sees.

    - pixel-level: the head at a half and a quarter of the resolution, each by one convolution from the decoder;
    - geometric: a map of the signed distance to the head's border at half resolution, by two convolutions from the
      decoder, and the circle that the head's section is like (centre and radius), from the deepest features.

    The two share nothing but the network itself.
    """

    def __init__(self, network: nn.Module, config: Config) -> None:
        """Put the paths on ``network``; the config gives its channels and the size of its field."""
        super().__init__()
        half, quarter, *_, deepest = config.network["channels"]
        deepest_px = config.patch.side_px // math.prod(config.network["strides"])
        self.network = network
        self.pixel = nn.ModuleList([nn.Conv2d(2 * half, 1, 1), nn.Conv2d(2 * quarter, 1, 1)])
        self.distance = nn.Sequential(
            nn.Conv2d(2 * half, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1), nn.Tanh()
        )
        self.circle = nn.Sequential(nn.Conv2d(deepest, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * deepest_px**2, 3))

    def forward(self, images: torch.Tensor) -> Given:
        """Return what ``with_paths`` does in training, and else the logits only: what is used after training."""
        return self.with_paths(images) if self.training else self.network(images)

    def with_paths(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the logits, those at a half and a quarter, the distance map and the circle (row, column, radius)."""
        features, levels, layer = images, [], self.network.get_submodule("model")
        while isinstance(layer, nn.Sequential):  # down, what lies below, up; the lowest layer is one unit
            down, below, up = layer
            features = down(features)
            levels.append((features, up))
            layer = below.get_submodule("submodule")
        deepest = features = layer(features)
        joined = []
        for skipped, up in reversed(levels):
            joined.append(torch.cat([skipped, features], dim=1))
            features = up(joined[-1])
        half, quarter = joined[-1], joined[-2]
        coarse = [path(part) for path, part in zip(self.pixel, (half, quarter), strict=True)]
        return features, *coarse, self.distance(half), self.circle(deepest)


class LinkNet(nn.Module):
    """LinkNet (Chaurasia, Culurciello, VCIP 2017) on one channel: a ResNet-18 encoder whose stages are added to the
    decoder's. Narrower than the paper's, and with instance norm like the U-Net beside it.
    """

    def __init__(self, widths: tuple[int, int, int, int] = LINKNET_WIDTHS, last: int = LINKNET_LAST) -> None:
        """Build it with random weights."""
        super().__init__()
        first = widths[0]
        self.stem = nn.Sequential(*_normed(nn.Conv2d(1, first, 7, 2, 3, bias=False)), nn.MaxPool2d(3, 2, 1))
        before = (first, *widths[:-1])
        self.encoder = nn.ModuleList(
            _stage(narrow, wide, 1 if n == 0 else 2)
            for n, (narrow, wide) in enumerate(zip(before, widths, strict=True))
        )
        self.decoder = nn.ModuleList(
            _decoder(wide, narrow, 1 if n == 0 else 2)
            for n, (narrow, wide) in reversed(list(enumerate(zip(before, widths, strict=True))))
        )
        self.last = nn.Sequential(
            *_normed(nn.ConvTranspose2d(first, last, 3, 2, 1, 1, bias=False)),
            *_normed(nn.Conv2d(last, last, 3, 1, 1, bias=False)),
            nn.ConvTranspose2d(last, 1, 2, 2),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, 1, s, s); s is a multiple of 32."""
        features = self.stem(images)
        links = []
        for stage in self.encoder:
            links.append(features)
            features = stage(features)
        for step, link in zip(self.decoder, reversed(links), strict=True):
            features = step(features) + link
        return self.last(features)


def distance_maps(labels: torch.Tensor, pixel_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tanh(signed distance / DISTANCE_MM), negative in the head, and where it is known.

    Args:
        labels: (n, s, s): 1 head, 0 not, IGNORE unknown (taken for "not").
        pixel_mm: size of a pixel.

    Returns:
        two float32 tensors (n, s, s); without a head the map is 1.
    """
    maps = []
    for head in (labels == 1).cpu().numpy():
        outside = ndimage.distance_transform_edt(~head) if head.any() else np.full(head.shape, np.inf)
        signed = np.where(head, 0.5 - ndimage.distance_transform_edt(head), outside - 0.5)
        maps.append(np.tanh(signed * pixel_mm / DISTANCE_MM))
    return torch.from_numpy(np.array(maps, np.float32)).to(labels.device), (labels != IGNORE).float()


def circles(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the circle of the head's area about its centroid, and whether there is a head.

    Returns:
        float32 (n, 3): row and column of the centre from -1 to 1 across the image, radius in half widths; float32 (n,).
    """
    head = (labels == 1).float()
    size = labels.shape[-1]
    at = (torch.arange(size, device=labels.device) + 0.5) / size * 2 - 1
    area = head.sum((1, 2))
    some = area.clamp(min=1)
    row, column = (head.sum(2) * at).sum(1) / some, (head.sum(1) * at).sum(1) / some
    radius = torch.sqrt(area / torch.pi) * 2 / size
    return torch.stack([row, column, radius], 1), (area > 0).float()


def _smaller(labels: torch.Tensor, size: int) -> torch.Tensor:
    """Labels of a coarser grid: each takes the value of the pixel after its middle."""
    step = labels.shape[-1] // size
    return labels[:, step // 2 :: step, step // 2 :: step]


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.InstanceNorm2d(convolution.out_channels, affine=True), nn.ReLU(inplace=True)


def _stage(narrow: int, wide: int, stride: int) -> nn.Module:
    norm = ("instance", {"affine": True})
    shortcut = None
    if stride > 1 or narrow != wide:
        shortcut = nn.Sequential(*_normed(nn.Conv2d(narrow, wide, 1, stride, bias=False))[:2])
    return nn.Sequential(
        ResNetBlock(narrow, wide, 2, stride, shortcut, norm=norm), ResNetBlock(wide, wide, 2, norm=norm)
    )


def _decoder(wide: int, narrow: int, stride: int) -> nn.Module:
    middle = wide // 4
    return nn.Sequential(
        *_normed(nn.Conv2d(wide, middle, 1, bias=False)),
        *_normed(nn.ConvTranspose2d(middle, middle, 3, stride, 1, stride - 1, bias=False)),
        *_normed(nn.Conv2d(middle, narrow, 1, bias=False)),
    )
