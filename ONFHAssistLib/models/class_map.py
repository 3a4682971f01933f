"""Networks that classify and say where they looked: they give a map for each class, whose mean is the class's logit.

The last layer is linear in each place (a 1 x 1 convolution), so the mean of its map is what the usual order, the mean
of the features and then a linear layer, would give (class activation mapping: Zhou et al., CVPR 2016). The place comes
out of the graph itself: no gradient, no torch, and the parts sum to the whole.
"""

import torch
from monai.networks.layers.utils import get_norm_layer
from monai.networks.nets.resnet import ResNetBlock
from monai.networks.nets.vit import ViT
from torch import nn

STEM_STRIDE = 2


class ClassMapResNet(nn.Module):
    """A residual network of two blocks a stage (He et al., CVPR 2016) whose pooling is left to who reads it."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        widths: list[int],
        strides: list[int],
        norm: str | tuple = "batch",
    ) -> None:
        """Build it with random weights.

        Args:
            spatial_dims: 2 or 3.
            in_channels: of the image.
            out_channels: classes.
            widths: channels of each stage.
            strides: of the first block of each stage; the map is smaller than the image by their product, times 2.
            norm: as MONAI names it.
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(f"{len(widths)} widths and {len(strides)} strides; a stage has one of each")
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d

        def normed(before: int, width: int, size: int, stride: int) -> list[nn.Module]:
            plain = convolution(before, width, size, stride, size // 2, bias=False)
            return [plain, get_norm_layer(norm, spatial_dims, width)]

        layers: list[nn.Module] = [*normed(in_channels, widths[0], 5, STEM_STRIDE), nn.ReLU(inplace=True)]
        before = widths[0]
        for width, stride in zip(widths, strides, strict=True):
            same = stride == 1 and before == width
            shortcut = None if same else nn.Sequential(*normed(before, width, 1, stride))
            layers.append(ResNetBlock(before, width, spatial_dims, stride, shortcut, norm=norm))
            layers.append(ResNetBlock(width, width, spatial_dims, norm=norm))
            before = width
        self.features = nn.Sequential(*layers)
        self.classes = convolution(before, out_channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps (n, out_channels, rows, columns) of images (n, in_channels, rows, columns)."""
        return self.classes(self.features(images))


class ClassMapViT(nn.Module):
    """A vision transformer (Dosovitskiy et al., ICLR 2021) with a linear layer on each patch, for one size of image.

    With a stem, small convolutions take the place of the linear layer that makes the patches' features; from few images
    it learns far more so (Xiao et al., NeurIPS 2021).
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        img_size: list[int],
        patch_size: int,
        hidden_size: int,
        mlp_dim: int,
        num_layers: int,
        num_heads: int,
        dropout_rate: float = 0.0,
        stem: list[int] | None = None,
    ) -> None:
        """Build it with random weights.

        Args:
            spatial_dims, in_channels, img_size, patch_size, hidden_size, mlp_dim, num_layers, num_heads, dropout_rate:
                those of MONAI's ViT.
            out_channels: classes.
            stem: channels of convolutions before it, each of which halves the image; patch_size is that of both.
        """
        super().__init__()
        convolution, halved = nn.Conv2d if spatial_dims == 2 else nn.Conv3d, 2 ** len(stem or [])
        if patch_size % halved:
            raise ValueError(f"a stem of {len(stem or [])} convolutions needs a patch_size that {halved} divides")
        self.shape = [size // patch_size for size in img_size]
        patch = [patch_size // halved] * spatial_dims
        layers: list[nn.Module] = []
        for width in stem or []:
            layers.append(convolution(in_channels, width, 3, 2, 1, bias=False))
            layers += [get_norm_layer("batch", spatial_dims, width), nn.ReLU(inplace=True)]
            in_channels = width
        transformer = ViT(
            in_channels,
            [size // halved for size in img_size],
            patch,
            hidden_size,
            mlp_dim,
            num_layers,
            num_heads,
            dropout_rate=dropout_rate,
            spatial_dims=spatial_dims,
        )
        self.features = nn.Sequential(*layers, transformer)
        self.classes = nn.Linear(hidden_size, out_channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps (n, out_channels, rows, columns), a value for each patch, of images of ``img_size``."""
        tokens, _ = self.features(images)
        return self.classes(tokens).transpose(1, 2).unflatten(2, self.shape)
