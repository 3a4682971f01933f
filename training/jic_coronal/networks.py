"""What only training sees of the network of S-JIC: further outputs on its features, and the loss of all."""

import torch
from torch import nn
from torch.nn import functional as F

from ONFHAssistLib.core.gradings.jic import JIC_EDGE
from training.jic_coronal.slices import HEAD, HIP_BONE, NECROSIS

LABELS = (0, HEAD, NECROSIS, HIP_BONE)
TISSUE_WEIGHT, END_WEIGHT, PLACE_WEIGHT = 0.5, 1.0, 0.2
"""Weights of the further parts of the loss beside the class's cross-entropy."""
END_RANGE = (-0.35, 1.35)
"""How far medial or lateral of the weight-bearing portion a lesion ends matters up to here, a third of its width."""
SMOOTHING = 0.05


class Supervised(nn.Module):
    """A class map network with two further linear outputs on its features: the tissue of each place, and the end.

    Attributes:
        network: what becomes the bundle.
        tissue: logits of LABELS at each place.
        end: its mean is where the lesion ends, as a fraction of the weight-bearing portion.
    """

    def __init__(self, network: nn.Module) -> None:
        """Put the outputs on a `models.class_map.ClassMapResNet`."""
        super().__init__()
        width = network.get_parameter("classes.weight").shape[1]
        self.network = network
        self.tissue, self.end = nn.Conv2d(width, len(LABELS), 1), nn.Conv2d(width, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Return class maps, tissue logits and end map in training, and else the class maps only."""
        if not self.training:
            return self.network(images)
        features = self.network.get_submodule("features")(images)
        return self.network.get_submodule("classes")(features), self.tissue(features), self.end(features)


def shipped(network: nn.Module) -> nn.Module:
    """Return what is left after training: the network without its further outputs."""
    return network.network if isinstance(network, Supervised) else network


def packed(classes: torch.Tensor, ends: torch.Tensor, labels: torch.Tensor, places: int) -> torch.Tensor:
    """Put the truth of a batch into one tensor.

    Args:
        classes: int64 (n,).
        ends: float32 (n,), NaN where there is no class.
        labels: int64 (n, s, s), LABELS or IGNORE.
        places: rows and columns of the map.

    Returns:
        float32 (n, 2 + 4 places²): class, end, and the share of each label in each place.
    """
    shares = torch.stack([(labels == value).float() for value in LABELS], 1)
    coarse = F.adaptive_avg_pool2d(shares, places)
    return torch.cat([classes[:, None].float(), ends[:, None], coarse.flatten(1)], 1)


def loss_of(given: tuple[torch.Tensor, ...], target: torch.Tensor) -> torch.Tensor:
    """Loss of a batch: of the class, of the tissue at each place, of the lesion's end, and of the map's place.

    The last asks that the map of the true class be highest inside the lesion: a class map that is left alone may be
    highest beside it, where the lesion ends.

    Args:
        given: by `Supervised` in training.
        target: see `packed`.
    """
    maps, tissue, end = given
    n, _, rows, columns = maps.shape
    classes, ends = target[:, 0].long(), target[:, 1]
    shares = target[:, 2:].reshape(n, len(LABELS), rows, columns)
    loss = F.cross_entropy(maps.mean((2, 3)), classes, label_smoothing=SMOOTHING)
    loss = loss - TISSUE_WEIGHT * (shares * F.log_softmax(tissue, 1)).sum(1).mean()
    classed = ~ends.isnan()
    if not classed.any():
        return loss
    wanted = ends[classed].clamp(*END_RANGE)
    loss = loss + END_WEIGHT * F.smooth_l1_loss(end.mean((1, 2, 3))[classed], wanted, beta=JIC_EDGE / 10)
    own = maps[classed, classes[classed]].flatten(1)
    lesion = shares[classed, LABELS.index(NECROSIS)].flatten(1)
    lesion = lesion * (lesion >= 0.5 * lesion.amax(1, keepdim=True))
    inside = torch.logsumexp(own + torch.log(lesion + 1e-6), 1) - torch.logsumexp(own, 1)
    return loss - PLACE_WEIGHT * inside.mean()
