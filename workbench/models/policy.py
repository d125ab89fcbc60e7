"""A recurrent policy with a value: what reinforcement learning over a whole trial needs.

At every moment the cell reads the observation, the last action (one-hot), the reward it brought
and whether an episode ended, and gives logits over actions and the value of going on. The cells
are torch's single-step ones, so that a trial can be stepped and rewound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.fields import Range, check_fields


class Policy(nn.Module):
    """A GRU or LSTM cell with a head for actions and one for the value.

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
    ) -> None:
        super().__init__()
        self.observation, self.actions = observation, actions
        self.state_size = hidden if cell == "gru" else 2 * hidden
        make = nn.GRUCell if cell == "gru" else nn.LSTMCell
        self.cell = make(observation + actions + 2, hidden)
        self.policy = nn.Linear(hidden, actions)
        self.value = nn.Linear(hidden, 1)
        # Orthogonal recurrence carries gradients over a long trial; small logits explore at first.
        nn.init.orthogonal_(self.cell.weight_hh)
        nn.init.orthogonal_(self.policy.weight, gain=0.01)
        for bias in (self.cell.bias_ih, self.cell.bias_hh, self.policy.bias, self.value.bias):
            nn.init.zeros_(bias)

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `[row, action]`, value `[row]` and the next hidden state of rows of inputs.

        `inputs` is observation, last action (one-hot), reward and done, side by side; the hidden
        state of an LSTM is its output and its cell, side by side.
        """
        if isinstance(self.cell, nn.LSTMCell):
            output, memory = hidden.chunk(2, dim=-1)
            output, memory = self.cell(inputs, (output, memory))
            hidden = torch.cat([output, memory], dim=-1)
        else:
            output = hidden = self.cell(inputs, hidden)
        return self.policy(output), self.value(output).squeeze(-1), hidden


@dataclass(frozen=True)
class PolicySettings:
    """A recurrent policy and value net."""

    cell: Literal["gru", "lstm"] = "gru"  # the recurrent cell
    # units of the cell: more remember more and cost more
    hidden: Annotated[int, Range(1, span=(8, 256))] = 64

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> Policy:
        """The policy for observations of this shape and `outputs` actions."""
        if outputs is None:
            raise UserError("a policy needs a number of actions: it cannot serve as an embedding")
        return Policy(math.prod(input_shape), outputs, self.hidden, self.cell)
