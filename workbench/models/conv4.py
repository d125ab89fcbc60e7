"""Conv4, the four-block convolutional net of few-shot image classification."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal

from torch import nn

from workbench.errors import UserError
from workbench.fields import Range, check_fields

Pooling = Literal["max", "stride"]
Norm = Literal["batch", "image"]


class Conv4(nn.Sequential):
    """Four blocks of 3x3 convolution, batch normalisation (batch statistics only) and ReLU.

    Each block halves the image, by 2x2 max-pooling (Vinyals et al., 2016; Snell et al., 2017) or
    by a stride of 2 (Finn et al., 2017, on Omniglot). `head` is the linear classifier; without
    `outputs` the module gives the flattened features, an embedding. With the norm 'image' each
    image is brought to mean 0 and variance 1 by itself, so that none depends on its neighbours.

    >>> import torch
    >>> Conv4((1, 28, 28), 5)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        outputs: int | None,
        filters: int = 64,
        pooling: Pooling = "max",
        norm: Norm = "batch",
    ) -> None:
        Conv4Settings(filters, pooling, norm)  # refuses what there is not
        channels, height, width = input_shape
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, 5):
            stride = 2 if pooling == "stride" else 1
            layers[f"conv{i}"] = nn.Conv2d(channels, filters, 3, stride=stride, padding=1)
            size = (filters, -(-height // stride), -(-width // stride))
            if norm == "batch":
                layers[f"norm{i}"] = nn.BatchNorm2d(filters, track_running_stats=False)
            else:
                layers[f"norm{i}"] = nn.LayerNorm(size, elementwise_affine=False)
            layers[f"relu{i}"] = nn.ReLU()
            if pooling == "max":
                layers[f"pool{i}"] = nn.MaxPool2d(2)
                height, width = height // 2, width // 2
            else:
                height, width = (height + 1) // 2, (width + 1) // 2
            channels = filters
        if min(height, width) < 1:
            raise UserError(
                f"Conv4 halves the image four times and images of {input_shape[1:]} vanish: "
                "use images of at least 16x16, or pooling='stride'"
            )
        layers["flatten"] = nn.Flatten()
        if outputs is not None:
            layers["head"] = nn.Linear(filters * height * width, outputs)
        super().__init__(layers)


@dataclass(frozen=True)
class Conv4Settings:
    """The four-block convolutional net."""

    filters: Annotated[int, Range(1, span=(8, 128))] = 64  # channels of every block
    pooling: Pooling = "max"  # how a block halves the image: max-pooling, or a stride of 2
    norm: Norm = "batch"  # by the statistics of the task's images, or of each image alone

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> Conv4:
        """The module for images of this shape; an embedding where `outputs` is None."""
        if len(input_shape) != 3:
            raise UserError(
                f"Conv4 takes images (channels, height, width), not inputs of shape {input_shape}: "
                "use an MLP"
            )
        channels, height, width = input_shape
        return Conv4((channels, height, width), outputs, self.filters, self.pooling, self.norm)
