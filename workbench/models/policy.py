"""A recurrent policy with a value: what reinforcement learning over a whole trial needs.

At every moment the cell reads the observation, the last action (one-hot, or its numbers), the
reward it brought and whether an episode ended, and gives what chooses an action and the value of
going on. The cells are torch's single-step ones, so that a trial can be stepped and rewound; what
was read is gone through again by torch's loop over time, with the cells' own weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.fields import Range, check_fields

_LONGEST = 100  # moves after which what an LSTM's slowest unit remembers has faded, at first
_LEAST = math.log(0.3)  # of the logarithms of deviations: a policy that is sure learns no more


def held(out: Tensor, actions: int) -> Tensor:
    """What chooses an action, `[..., output]`: deviations of numbers stay above a least one.

    >>> held(torch.tensor([[5.0, -9.0]]), actions=1)
    tensor([[ 5.0000, -1.2040]])
    """
    if out.shape[-1] == actions:
        return out
    mean, logarithm = out.chunk(2, dim=-1)
    return torch.cat([mean, logarithm.clamp(min=_LEAST)], dim=-1)


class Policy(nn.Module):
    """A GRU or LSTM cell with a head for actions and one for the value.

    actions  to choose among, or numbers that an action is
    numbers  whether actions are numbers: the head gives their means and, side by side, the
             logarithms of their deviations

    >>> policy = Policy(observation=1, actions=5, hidden=8)
    >>> logits, value, hidden = policy(torch.zeros(3, 1 + 5 + 2), torch.zeros(3, policy.state_size))
    >>> logits.shape, value.shape, hidden.shape
    (torch.Size([3, 5]), torch.Size([3]), torch.Size([3, 8]))
    """

    def __init__(
        self,
        observation: int,
        actions: int,
        hidden: int = 64,
        cell: Literal["gru", "lstm"] = "gru",
        *,
        numbers: bool = False,
    ) -> None:
        super().__init__()
        self.observation, self.actions, self.numbers = observation, actions, numbers
        self.state_size = hidden if cell == "gru" else 2 * hidden
        make = nn.GRUCell if cell == "gru" else nn.LSTMCell
        self.cell = make(observation + actions + 2, hidden)
        self.policy = nn.Linear(hidden, 2 * actions if numbers else actions)
        self.value = nn.Linear(hidden, 1)
        # Orthogonal recurrence carries gradients over a long trial; small logits explore at first.
        nn.init.orthogonal_(self.cell.weight_hh)
        nn.init.orthogonal_(self.policy.weight, gain=0.01)
        for bias in (self.cell.bias_ih, self.cell.bias_hh, self.policy.bias, self.value.bias):
            nn.init.zeros_(bias)
        if cell == "lstm":  # Tallec and Ollivier (2018), arXiv:1804.11188, section 2.2
            spans = torch.linspace(1, _LONGEST - 1, hidden).log()
            with torch.no_grad():
                self.cell.bias_ih[:hidden] = -spans
                self.cell.bias_ih[hidden : 2 * hidden] = spans

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What chooses `[row, output]`, value `[row]` and the next hidden state of rows of inputs.

        `inputs` is observation, last action, reward and done, side by side; the hidden state of an
        LSTM is its output and its cell, side by side.
        """
        if isinstance(self.cell, nn.LSTMCell):
            output, memory = hidden.chunk(2, dim=-1)
            output, memory = self.cell(inputs, (output, memory))
            hidden = torch.cat([output, memory], dim=-1)
        else:
            output = hidden = self.cell(inputs, hidden)
        return *self.heads(output), hidden

    def heads(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """What chooses `[..., output]` and value `[...]`, of outputs of the cell."""
        return held(self.policy(output), self.actions), self.value(output).squeeze(-1)

    def outputs(self, inputs: Tensor) -> Tensor:
        """The cell's outputs `[row, moment, unit]` to whole sequences `[row, moment, input]`.

        They are those that the cell gives moment by moment, up to rounding, in less time.
        """
        cell = self.cell
        weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
        start = inputs.new_zeros(1, len(inputs), cell.hidden_size)
        rest: tuple[Any, ...] = (weights, True, 1, 0.0, self.training, False, True)
        if isinstance(cell, nn.LSTMCell):
            return torch.lstm(inputs, (start, start), *rest)[0]
        return torch.gru(inputs, start, *rest)[0]


@dataclass(frozen=True)
class PolicySettings:
    """A recurrent policy and value net."""

    cell: Literal["gru", "lstm"] = "gru"  # the recurrent cell
    # units of the cell: more remember more and cost more
    hidden: Annotated[int, Range(1, span=(8, 256))] = 64

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(
        self, input_shape: tuple[int, ...], outputs: int | None, *, numbers: bool = False
    ) -> Policy:
        """The policy for observations of this shape and `outputs` actions, or numbers of one."""
        if outputs is None:
            raise UserError("a policy needs a number of actions: it cannot serve as an embedding")
        size = math.prod(input_shape)
        return Policy(size, outputs, self.hidden, self.cell, numbers=numbers)
