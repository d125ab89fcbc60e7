"""A knowledge base: what was learned so far, as entries that attention can pick from.

An entry has a key by which it is found, a value that is read, its class where that is known, and
where it came from. A base is a value: adding to it makes a new one. It holds at most `capacity`
entries; beyond that some are evicted, the longest unread or the oldest first.

It is filled from labelled examples (each with the mean of its class as its value), or without
labels: with the centres that k-means finds, or with the embedded examples themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.algorithms.memory.attention import check_count
from workbench.errors import UserError, nearest
from workbench.fields import Range, check_fields
from workbench.files import read_tensors, save_tensors, understood

Eviction = Literal["unread", "oldest"]

KIND, SCHEMA = "knowledge", 1
_TENSORS = ("keys", "values", "classes", "sources", "written", "read")
_SCORES = 2**24  # scores that a search computes at once
_UNKNOWN = -1


class Found(NamedTuple):
    """What a search gave: `[query, k]`, the nearest first."""

    scores: Tensor  # cosine of the query and the key
    entries: Tensor


@dataclass(frozen=True, eq=False)
class KnowledgeBase:
    """Entries that can be searched.

    keys      [entry, width]
    values    [entry, size]
    classes   [entry] what each is an example of; -1 where that is not known
    sources   [entry] which example or cluster of `origin` it came from
    written   [entry] when it was added, in additions
    read      [entry] when it was last read (or added)
    capacity  the most entries
    eviction  which go when there are more: the longest unread, or the oldest
    origin    what it was filled from, in words
    clock     additions and reads so far
    evicted   how many entries had to go so far

    >>> base = KnowledgeBase.empty(width=2, capacity=2)
    >>> base = base.add(torch.eye(2)).add(torch.tensor([[-1.0, 0.0]]))
    >>> len(base), base.evicted, base.search(torch.tensor([[-2.0, 0.1]]), 1).entries.tolist()
    (2, 1, [[1]])
    """

    keys: Tensor
    values: Tensor
    classes: Tensor
    sources: Tensor
    written: Tensor
    read: Tensor
    capacity: Annotated[int, Range(1, 2**62)]
    eviction: Eviction = "unread"
    origin: str = ""
    clock: Annotated[int, Range(0, 2**62)] = 0
    evicted: Annotated[int, Range(0, 2**62)] = 0

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise UserError(f"capacity is {self.capacity}: a base holds at least 1 entry")
        if self.eviction not in ("unread", "oldest"):
            cure = nearest(self.eviction, ["unread", "oldest"])
            raise UserError(f"eviction is '{self.eviction}': {cure}")

    @staticmethod
    def empty(
        width: int,
        size: int | None = None,
        *,
        capacity: int = 10_000,
        eviction: Eviction = "unread",
        origin: str = "",
    ) -> KnowledgeBase:
        """A base without entries; values are as wide as keys unless `size` says otherwise."""
        none = torch.zeros(0, dtype=torch.long)
        size = width if size is None else size
        return KnowledgeBase(
            torch.zeros(0, width), torch.zeros(0, size), none, none, none, none,
            capacity, eviction, origin,
        )  # fmt: skip

    @staticmethod
    def from_labels(features: Tensor, labels: Tensor, **options: Any) -> KnowledgeBase:
        """An entry an example, its value the mean of its class.

        features  [example, width]
        labels    [example]
        """
        classes, own = labels.unique(return_inverse=True)
        sums = features.new_zeros(len(classes), features.shape[1]).index_add_(0, own, features)
        means = sums / own.bincount().unsqueeze(1)
        base = KnowledgeBase.empty(features.shape[1], **_roomy(features, options))
        return base.add(features, means[own], labels)

    @staticmethod
    def from_clusters(
        features: Tensor, count: int, *, seed: int = 0, **options: Any
    ) -> KnowledgeBase:
        """An entry a cluster that k-means finds, its centre both key and value; no labels."""
        from sklearn.cluster import MiniBatchKMeans

        if not 1 <= count <= len(features):
            raise UserError(
                f"{count} clusters were asked of {len(features)} examples: "
                f"ask for 1 to {len(features)}"
            )
        means = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=4096)
        means.fit(features.detach().cpu().numpy())
        centres = torch.from_numpy(means.cluster_centers_).to(features)
        return KnowledgeBase.empty(features.shape[1], **_roomy(centres, options)).add(centres)

    @staticmethod
    def from_features(features: Tensor, **options: Any) -> KnowledgeBase:
        """An entry an example, its embedding both key and value; no labels."""
        return KnowledgeBase.empty(features.shape[1], **_roomy(features, options)).add(features)

    def __len__(self) -> int:
        return len(self.keys)

    def add(
        self, keys: Tensor, values: Tensor | None = None, classes: Tensor | None = None
    ) -> KnowledgeBase:
        """A base with these entries too, without those that had to go for them."""
        values = keys if values is None else values
        for name, own, more in (("keys", self.keys, keys), ("values", self.values, values)):
            if more.dim() != 2 or more.shape[1] != own.shape[1]:
                raise UserError(
                    f"the base's {name} have {own.shape[1]} numbers each and those to add are "
                    f"{list(more.shape)}: use the embedding that it was filled with"
                )
        count = len(keys)
        if classes is None:
            classes = torch.full((count,), _UNKNOWN)
        clock = self.clock + 1
        moment = torch.full((count,), clock)
        first = int(self.sources.max()) + 1 if len(self) else 0
        new = (keys, values, classes, first + torch.arange(count), moment, moment)
        whole: dict[str, Any] = {
            name: torch.cat([getattr(self, name).to(more), more])
            for name, more in zip(_TENSORS, new, strict=True)
        }
        grown = replace(self, clock=clock, **whole)
        return grown._evict(len(grown) - self.capacity)

    def search(self, queries: Tensor, k: int) -> Found:
        """The k entries whose keys are nearest to each query `[query, width]`, exactly."""
        if queries.shape[-1] != self.keys.shape[1]:
            raise UserError(
                f"the base's keys have {self.keys.shape[1]} numbers and the queries "
                f"{queries.shape[-1]}: use the embedding that it was filled with"
            )
        check_count(k, len(self))
        keys, found = F.normalize(self.keys, dim=-1).T, []
        for some in F.normalize(queries, dim=-1).split(max(1, _SCORES // len(self))):
            found.append((some @ keys).topk(k, dim=-1))
        return Found(torch.cat([f.values for f in found]), torch.cat([f.indices for f in found]))

    def touched(self, entries: Tensor) -> KnowledgeBase:
        """The base after these entries were read."""
        read = self.read.clone()
        read[entries.flatten()] = self.clock + 1
        return replace(self, read=read, clock=self.clock + 1)

    def save(self, path: Path | str) -> Path:
        """Write it to one file."""
        header = {
            "schema": SCHEMA,
            "capacity": self.capacity,
            "eviction": self.eviction,
            "origin": self.origin,
            "clock": self.clock,
            "evicted": self.evicted,
        }
        return save_tensors(path, {n: getattr(self, n) for n in _TENSORS}, header, kind=KIND)

    @staticmethod
    def load(path: Path | str) -> KnowledgeBase:
        """What `save` wrote."""
        tensors, header = read_tensors(path, kind=KIND, schema=SCHEMA)
        fields: dict[str, Any] = {**tensors, **header}
        with understood(path, KIND):
            del fields["schema"]
            base = KnowledgeBase(**fields)
            check_fields(base, "")
            base._check()
        return base

    def _check(self) -> None:
        """Refuses tensors that are not those of one base."""
        for name in _TENSORS:
            tensor, table = getattr(self, name), name in ("keys", "values")
            right = tensor.is_floating_point() if table else tensor.dtype == torch.int64
            if not right or tensor.dim() != 1 + table or len(tensor) != len(self):
                raise UserError(f"{name} is no [entry{', number' * table}]")
            if not bool(tensor.isfinite().all()):
                raise UserError(f"{name} has numbers that are not finite")
            if not table and bool((tensor < _UNKNOWN).any()):
                raise UserError(f"{name} is negative")
        if len(self) > self.capacity:
            raise UserError(f"it has {len(self)} entries and room for {self.capacity}")

    def _evict(self, count: int) -> KnowledgeBase:
        if count <= 0:
            return self
        age = self.read if self.eviction == "unread" else self.written
        kept = age.argsort(stable=True)[count:].sort().values
        left: dict[str, Any] = {name: getattr(self, name)[kept] for name in _TENSORS}
        return replace(self, evicted=self.evicted + count, **left)


def _roomy(features: Tensor, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a base that has room for what it is filled with."""
    return {"capacity": max(1, len(features)), **options}
