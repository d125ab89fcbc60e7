"""Families that are there already: each is `Tasks` of its own, such as an alphabet of glyphs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import fold, uniform
from workbench.tasks.base import SPLITS, Shape, Split, Tasks, TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.levels import Families, Nested
from workbench.tasks.sampler import ClassSplit, FewShot, whole

_GLYPHS = Shape(ways=5, shots=1, queries=3)
_MEMBER = 1  # the use that a family's seed is put to


class GivenFamilies(Families):
    """Families out of a list for each split; a family that is drawn has `info["member"]` there.

    members  the families of each split, no one in two of them
    shape    how big each of their tasks is

    >>> from workbench.tasks import open_tasks
    >>> waves = {"train": [open_tasks("sinusoid")], "test": [open_tasks("harmonics")]}
    >>> families = GivenFamilies(waves, Shape(ways=1, shots=5, queries=10))
    >>> families.sample(2, seed=0, shape=Shape(1, 8, 4)).support.x.shape
    torch.Size([2, 8, 15, 2])
    """

    name = "given-families"

    def __init__(self, members: Mapping[Split, Sequence[Tasks]], shape: Shape) -> None:
        self.members = {split: tuple(of_split) for split, of_split in members.items()}
        self._check_members(shape)
        every = [tasks for of_split in self.members.values() for tasks in of_split]
        self.nested = Nested(_bare(every[0], shape), shape)
        names = {split: [_name(t) for t in own] for split, own in sorted(self.members.items())}
        digest = hashlib.sha256(json.dumps([names, str(shape)]).encode())
        self.scheme = digest.hexdigest()[:16]

    def about(self, seeds: Tensor, split: Split) -> dict[str, Tensor]:
        draws = uniform(fold(seeds, _MEMBER), ())
        return {"member": whole(draws, 0, len(self.members[split]) - 1)}

    def tasks_of(self, family: Mapping[str, Tensor], seeds: Tensor, split: Split) -> Episode:
        shape = self.nested.shape
        found = [
            self.members[split][member].sample(len(own), seed=int(own[0]), split=split, shape=shape)
            for member, own in zip(family["member"].tolist(), seeds, strict=True)
        ]

        def joined(part: str) -> Examples:
            parts = [getattr(tasks, part) for tasks in found]
            return Examples(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]))

        return Episode(joined("support"), joined("query"), seeds.flatten(), found[0].ways)

    def check(self, shape: Shape, split: Split = "train") -> None:
        """Refuses a split that has no families."""
        if not self.members.get(split):
            raise UserError(
                f"there are no families of the split '{split}': give some, such as "
                f"members={{'{split}': [open_tasks('sinusoid')]}}"
            )

    def _check_members(self, shape: Shape) -> None:
        owner: dict[str, Split] = {}
        first: Tasks | None = None
        for split in SPLITS:
            for tasks in self.members.get(split, ()):
                name = _name(tasks)
                if owner.setdefault(name, split) != split:
                    raise UserError(
                        f"the family '{name}' is in the splits '{owner[name]}' and '{split}': let "
                        "every family be in one of them"
                    )
                first = first or tasks
                if _bare(tasks, shape) != _bare(first, shape):
                    one, other = (_bare(t, shape) for t in (first, tasks))
                    raise UserError(
                        f"the families are of different kinds: '{_name(first)}' is {one.kind} of "
                        f"{one.input_shape} and '{name}' {other.kind} of {other.input_shape}: give "
                        "families whose tasks have the same form"
                    )
                tasks.check(shape, split)
        if first is None:
            raise UserError("no families were given: give some Tasks for each split")


def open_glyph_families(shape: Shape = _GLYPHS) -> GivenFamilies:
    """The alphabets of the glyphs, each a family; those of a split are in no other.

    >>> families = open_glyph_families()
    >>> [len(families.members[split]) for split in ("train", "validation", "test")]
    [34, 6, 10]
    """
    from workbench.tasks.families.glyphs import open_glyphs

    glyphs = open_glyphs()
    members: dict[Split, list[Tasks]] = {}
    for split, own in glyphs.splits.items():
        rows = own.classes.tolist()
        for name in sorted({glyphs.bank.groups[row] for row in rows}):
            of_alphabet = ClassSplit.of([row for row in rows if glyphs.bank.groups[row] == name])
            alphabet = FewShot(
                glyphs.bank, {split: of_alphabet}, name="glyphs", scheme=name, stored=glyphs.stored
            )
            members.setdefault(split, []).append(alphabet)
    families = GivenFamilies(members, shape)
    families.name, families.scheme = "families", "glyphs"
    return families


def _bare(tasks: Tasks, shape: Shape) -> TaskSpec:
    """What a model for a task must take and give, and nothing of how many classes there are."""
    return replace(tasks.spec(shape), train_classes=0)


def _name(tasks: Tasks) -> str:
    return f"{tasks.name}:{tasks.scheme}"
