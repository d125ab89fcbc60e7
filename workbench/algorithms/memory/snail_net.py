"""SNAIL's net: temporal convolutions and causal attention over a sequence of items (see `snail`).

    convolution   c_t = tanh(A [h_t, h_t-d]) * sigmoid(B [h_t, h_t-d])      h_t <- [h_t, c_t]
    attention     r_t = softmax_s<=t( q_t . k_s / sqrt(size) ) v_s          h_t <- [h_t, r_t]

    attention, convolutions with d = 1, 2, 4 ... up to the length, attention, the same, attention

Since an item only ever adds to itself, what a net knows of the past is one tensor of all h_s, and
the next item is computed from it alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from workbench.algorithms.base import Learner
from workbench.algorithms.classes import hide


class ReadsSequences(Learner):
    """A learner with such a net: what the two of SNAIL share."""

    def make_net(
        self, features: int, labels: int, outputs: int, filters: int, length: int, width: int
    ) -> None:
        """Its parameters, for items of so many features beside so many numbers of a label."""
        self.inward = nn.Linear(features, width)
        width += labels
        dilations = math.ceil(math.log2(length))
        layers: list[Convolution | Attention] = []

        def add(layer: Convolution | Attention) -> int:
            layers.append(layer)
            return width + layer.size

        width = add(Attention(width, filters // 2, filters // 4))
        for scale in (2, 4):
            for i in range(dilations):
                width = add(Convolution(width, filters, 2**i))
            width = add(Attention(width, scale * filters, scale * filters // 2))
        self.layers = nn.ModuleList(layers)
        self.out = nn.Linear(width, outputs)

    def following(
        self,
        past: Tensor,
        items: Tensor,
        length: Tensor | None,
        attentions: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All that items `[task, item, number]` come to be after `past`, and their logits.

        They follow each other, or, where `length [task]` of the past is given, are alternatives.
        """
        before, count = past.shape[1], items.shape[1]
        column = torch.arange(before + count, device=past.device)
        own = before + torch.arange(count, device=past.device)
        if length is None:
            position = own.expand(len(past), -1)
            visible = (column <= own.unsqueeze(1)).expand(len(past), -1, -1)
        else:
            position = length.unsqueeze(1).expand(-1, count)
            seen = (column < length.unsqueeze(1)).unsqueeze(1)
            visible = seen | (column == own.unsqueeze(1))
        for layer in self.layers:
            both = torch.cat([past[..., : items.shape[2]], items], dim=1)
            if isinstance(layer, Attention):
                added, weights = layer(items, both, visible)
                if attentions is not None:
                    attentions.append(weights)
            else:
                added = layer(items, both, position)
            items = torch.cat([items, added], dim=2)
        return items, self.out(items)


class Convolution(nn.Module):
    """A causal convolution over an item and the one `dilation` before it, gated."""

    def __init__(self, width: int, size: int, dilation: int) -> None:
        super().__init__()
        self.size, self.dilation = size, dilation
        self.now = nn.Linear(width, 2 * size)
        self.earlier = nn.Linear(width, 2 * size, bias=False)

    def forward(self, items: Tensor, both: Tensor, position: Tensor) -> Tensor:
        """What is added to items at these positions of all that there is by then."""
        index = position - self.dilation
        place = index.clamp(min=0).unsqueeze(-1).expand(-1, -1, both.shape[2])
        earlier = both.gather(1, place) * (index >= 0).unsqueeze(-1)
        candidate, gate = (self.now(items) + self.earlier(earlier)).chunk(2, dim=-1)
        return candidate.tanh() * gate.sigmoid()


class Attention(nn.Module):
    """Reads of the items that are visible, one head."""

    def __init__(self, width: int, keys: int, size: int) -> None:
        super().__init__()
        self.size = size
        # a bias of the keys would move all scores of a query alike, and so do nothing
        self.query, self.key = nn.Linear(width, keys), nn.Linear(width, keys, bias=False)
        self.content = nn.Linear(width, size)

    def forward(self, items: Tensor, both: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to items, and how much each reads of all that there is by then."""
        scores = self.query(items) @ self.key(both).mT / math.sqrt(self.query.out_features)
        weights = hide(scores, visible).softmax(dim=-1)
        return weights @ self.content(both), weights
