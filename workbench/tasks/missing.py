"""Tasks in which values are missing, and what is put in their place.

    random-50   each value with a chance of one half; `random`: each task has a share of its own,
                from none to nine tenths
    rule-50     by its own value: the more remarkable it is, the likelier it is missing, as where
                the very ill cannot be examined; about half of the values in the mean (self-masking:
                Le Morvan et al., 2020, NeuMiss networks)
    groups-50   whole groups of columns are missing in a task, each with a chance of one half, and
                at least one is left

A learner reads values beside flags, which are up where a value is missing and the mean of the
training rows stands in its place. Other things can be put there, from the training rows alone:

    mean        the mean of the training rows' values, and no flag is up
    iterative   each column regressed on the others, in turns (scikit-learn's IterativeImputer), and
                no flag is up
    flagged     the same, beside flags: a learner can tell an estimate from a value

They stand behind a scheme: `clinic:present/random-50`, `digits:patches/random/iterative`,
`heart:leave-out/va/mean`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import fold, uniform
from workbench.tasks.base import Shape, Split, Tasks, TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.sampler import FewShot
from workbench.tasks.tables import FLAG, Rows, widths

WAYS = ("random", "rule", "groups")  # in which values are missing
FILLS = ("mean", "iterative", "flagged")
MOST = 0.9  # the largest share that a task of `random` lacks
_SHARE, _WHICH, _QUERY = 41, 42, 43  # which use a task's seed is put to
_STEEP = 2.0  # how much likelier a value is missing by a deviation of it, in logits
_FITTED = 4_000  # training rows that the iterative imputation is fitted on


class Form(Protocol):
    """How inputs hold values and flags."""

    of: Tensor  # [value] which column each value is of
    group: Tensor  # [column] which group each column is of

    def apart(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The values `[..., value]` of inputs, and 1 where a column is there `[..., column]`."""
        ...

    def joined(self, values: Tensor, there: Tensor) -> Tensor:
        """The inputs of them."""
        ...

    def level(self, values: Tensor) -> Tensor:
        """How remarkable each column is `[..., column]`: its number, or its last choice."""
        ...


class RowForm:
    """A table's rows: values, then flags of what is missing."""

    def __init__(self, tasks: Rows) -> None:
        self.columns = tasks.columns
        self.of = torch.arange(len(self.columns)).repeat_interleave(
            torch.tensor(widths(self.columns))
        )
        names = list(dict.fromkeys(column.group for column in self.columns))
        self.group = torch.tensor([names.index(column.group) for column in self.columns])

    def apart(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[..., : len(self.of)], (x[..., len(self.of) :] == 0).to(x)

    def joined(self, values: Tensor, there: Tensor) -> Tensor:
        return torch.cat([values, FLAG * (1 - there)], dim=-1)

    def level(self, values: Tensor) -> Tensor:
        return values[..., torch.tensor(widths(self.columns)).cumsum(0) - 1]


class PatchForm:
    """Pictures whose columns are patches: a channel of ink, and one of flags of what is missing."""

    def __init__(self, side: int, patch: int) -> None:
        self.side, many = side, side // patch
        place = torch.arange(side) // patch
        self.of = (place.unsqueeze(1) * many + place).flatten()
        half = torch.arange(many) * 2 // many
        self.group = (half.unsqueeze(1) * 2 + half).flatten()  # the quarters of the picture

    def apart(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values = x[..., 0, :, :].flatten(-2)
        return values, torch.ones(*values.shape[:-1], len(self.group))

    def joined(self, values: Tensor, there: Tensor) -> Tensor:
        flags = (FLAG * (1 - there)).index_select(-1, self.of)
        both = torch.stack([values, flags], dim=-2)
        return both.unflatten(-1, (self.side, self.side))

    def level(self, values: Tensor) -> Tensor:
        total = torch.zeros(*values.shape[:-1], len(self.group)).to(values)
        return total.index_add(-1, self.of, values)  # ink


@dataclass(frozen=True)
class Lack:
    """Which values are missing, and what is put in their place.

    way    random, rule or groups; empty where nothing is taken away
    share  of the values, in the mean; None for each task's own
    fill   mean, iterative or flagged; empty for the mean beside flags
    """

    way: str = ""
    share: float | None = None
    fill: str = ""

    @staticmethod
    def of(options: Sequence[str], where: str) -> Lack:
        """As the options behind a scheme say it.

        >>> Lack.of(["random-50", "mean"], "clinic")
        Lack(way='random', share=0.5, fill='mean')
        """
        found: dict[str, Any] = {}
        for option in options:
            way, _, share = option.partition("-")
            name = "fill" if option in FILLS else "way"
            if name == "way" and way not in WAYS:
                known = [*(f"{one}-50" for one in WAYS), *FILLS]
                raise UserError(f"{where} has no option '{option}': {nearest(option, known)}")
            if name in found:
                raise UserError(f"'{option}' of {where} is the second of its kind: leave one out")
            found[name] = option if name == "fill" else way
            if name == "fill" or not share:
                continue
            if not re.fullmatch("[0-9]{1,2}", share):
                raise UserError(
                    f"'{option}' of {where} does not say how much is missing: give per cent from 0 "
                    f"to 99, such as {way}-50, or nothing"
                )
            found["share"] = int(share) / 100
        return Lack(**found)

    def kept(
        self,
        seeds: Tensor,
        there: Tensor,
        form: Form,
        use: int,
        remarkable: Callable[[], Tensor],
    ) -> Tensor:
        """Which values are left `[task, example, column]`; a function of each task's seed.

        `remarkable` says how much each one is, in deviations from the mean.
        """
        examples, columns = there.shape[1:]
        if not self.way:
            return torch.ones_like(there)
        own = MOST * uniform(fold(seeds, _SHARE), (1, 1))
        share = own if self.share is None else torch.full_like(own, self.share)
        if self.way == "groups":
            many = int(form.group.max()) + 1
            draw = uniform(fold(seeds, _WHICH), (many,))
            left = (draw >= share[:, 0]) | (draw == draw.amax(dim=1, keepdim=True))
            return left[:, form.group].unsqueeze(1).expand(-1, examples, -1).to(there)
        if self.way == "rule":
            share = 2 * share * torch.sigmoid(_STEEP * remarkable())
        return (_draws(fold(seeds, _WHICH, use), examples, columns) >= share).to(there)


class Missing(Tasks):
    """The tasks below with values missing; `lack` says which, and what is put in their place."""

    def __init__(self, below: FewShot, form: Form, lack: Lack, scheme: str) -> None:
        self.below, self.form, self.lack = below, form, lack
        self.name, self.scheme, self.kind = below.name, scheme, below.kind
        self.default_shape = below.default_shape
        self.objective = below.objective
        self.notice = getattr(below, "notice", "")

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        episode = self.below.sample(n, seed=seed, split=split, shape=shape or self.default_shape)
        support = self._lacking(episode.support, episode.seed, 0)
        query = self._lacking(episode.query, episode.seed, _QUERY)
        return replace(
            episode, support=support, query=query, info={**episode.info, "scheme": self.scheme}
        )

    def class_names(self, split: Split) -> tuple[str, ...]:
        """The classes of a split, as `info["classes"]` numbers them."""
        return self.below.class_names(split)

    def check(self, shape: Shape, split: Split = "train") -> None:
        self.below.check(shape, split)

    def spec(self, shape: Shape) -> TaskSpec:
        below = self.below.spec(shape)
        x = self.form.joined(*self.form.apart(below.blank(1)))
        return replace(below, input_shape=tuple(x.shape[1:]))

    def _lacking(self, examples: Examples, seeds: Tensor, use: int) -> Examples:
        values, there = self.form.apart(examples.x)

        def remarkable() -> Tensor:
            mean, deviation = self._levels
            return (self.form.level(values) - mean) / deviation

        there = there * self.lack.kept(seeds, there, self.form, use, remarkable)
        values = self._fill(values, self._of_values(there) > 0)
        hidden = self.lack.fill in ("mean", "iterative")
        x = self.form.joined(values, torch.ones_like(there) if hidden else there)
        if examples.weight is not None:  # padding holds nothing
            x = x * examples.weight.reshape(*x.shape[:2], *[1] * (x.dim() - 2))
        return replace(examples, x=x)

    def _of_values(self, columns: Tensor) -> Tensor:
        """What is said of each column, said of each value."""
        alike = len(self.form.of) == columns.shape[-1]  # each has one value
        return columns if alike else columns.index_select(-1, self.form.of)

    @cached_property
    def _train(self) -> tuple[Tensor, Tensor]:
        """The training rows: their values, and 1 where a column is there."""
        bank, rows = self.below.bank, []
        for row in self.below.splits["train"].classes.unique().tolist():
            start = int(bank.starts[row])
            rows.append(torch.arange(start, start + int(bank.counts[row])))
        return self.form.apart(bank.scaled(bank.x[torch.cat(rows)]))

    @cached_property
    def _levels(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of how remarkable each column is in the training rows."""
        values, there = self._train
        level, count = self.form.level(values), there.sum(dim=0).clamp(min=1)
        mean = (level * there).sum(dim=0) / count
        square = ((level - mean).square() * there).sum(dim=0) / count
        return mean, square.sqrt().clamp(min=1e-6)

    @cached_property
    def _fill(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What puts numbers in gaps, from the training rows."""
        values, columns = self._train
        there = self._of_values(columns) > 0
        if self.lack.fill in ("iterative", "flagged"):
            return iterative(values, there)
        means = (values * there).sum(dim=0) / there.sum(dim=0).clamp(min=1)
        return lambda values, there: torch.where(there, values, means)


def _draws(seeds: Tensor, examples: int, columns: int) -> Tensor:
    """Uniform draws `[task, example, column]` in 2^16ths, three of each hash: there are many."""
    count = examples * columns
    left, found = uniform(seeds, (-(-count // 3),), torch.float64), []
    for _ in range(3):
        whole = (left * 2**16).floor()
        found.append(whole)
        left = left * 2**16 - whole
    draws = torch.cat(found, dim=-1)[:, :count].to(torch.get_default_dtype()) / 2**16
    return draws.view(-1, examples, columns)


def iterative(values: Tensor, there: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Iterative imputation, fitted on rows `[row, value]` as they are.

    Where half of them was taken away for it, what it put in taught it that columns hang together
    more than they do, and it came out worse than the mean.
    """
    from sklearn.exceptions import ConvergenceWarning

    # this name makes scikit-learn's imputer known
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    order = uniform(torch.tensor(0), (len(values),)).argsort()[:_FITTED]
    imputer = IterativeImputer(
        max_iter=5,
        random_state=0,
        keep_empty_features=True,
        # a regression on columns that lack as well runs away from what any row holds
        min_value=values.masked_fill(~there, torch.inf).amin(dim=0).numpy(),
        max_value=values.masked_fill(~there, -torch.inf).amax(dim=0).numpy(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # five rounds are all
        imputer.fit(values[order].masked_fill(~there[order], torch.nan).numpy())

    def fill(values: Tensor, there: Tensor) -> Tensor:
        rows = values.masked_fill(~there, torch.nan).flatten(0, -2)
        found = torch.from_numpy(imputer.transform(rows.numpy())).to(values)
        return found.view_as(values)

    return fill
