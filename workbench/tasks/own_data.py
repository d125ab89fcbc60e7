"""Tasks of your own data: `tasks_from` sorts them into a bank, and `FewShot` samples from it.

Data in memory are known by their hash (`own:3f2a…`) as long as somebody holds them; a run keeps a
copy (`save_tasks`). A folder or a table is opened again by its name:

    folder:PATH?size=84
    table:FILE.csv?task=hospital&target=sick
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.files import read_tensors, save_tensors, understood
from workbench.tasks.bank import ClassBank, ClassSplit
from workbench.tasks.base import SPLITS, Shape, Split
from workbench.tasks.reading import read
from workbench.tasks.sampler import FewShot
from workbench.tasks.sorting import Division, by_class

SOURCES = ("folder", "table")  # what a name may begin with
KIND, SCHEMA = "tasks", 1
_USUAL: Division = {"train": 0.6, "validation": 0.2, "test": 0.2}


class OwnTasks(FewShot):
    """Tasks from a bank of your own, known by the hash of all that they are drawn from.

    `in_memory` says that their scheme is the hash, so that they must be kept to be opened again.
    """

    def __init__(
        self,
        bank: ClassBank,
        splits: Mapping[Split, ClassSplit],
        *,
        name: str,
        scheme: str = "",
        **how: Any,
    ) -> None:
        super().__init__(bank, splits, name=name, scheme=scheme, **how)
        self.in_memory = not scheme
        if self.in_memory:
            self.scheme = self.sha256[:16]

    @cached_property
    def sha256(self) -> str:
        """The hash of the data and of their division."""
        digest = hashlib.sha256(json.dumps(_record(self), sort_keys=True).encode())
        for name, tensor in _tensors(self).items():
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        groups, shape = self.bank.groups, list(self.bank.x.shape[1:])
        counts = {split: len(part) for split, part in self.splits.items()}
        if self.within_groups:
            rows = {split: part.classes.tolist() for split, part in self.splits.items()}
            counts = {split: len({groups[row] for row in own}) for split, own in rows.items()}
        unit = "tasks" if self.within_groups or self.kind == "regression" else "classes"
        parts = ", ".join(f"{count} {split}" for split, count in counts.items())
        return f"<{self.name}:{self.scheme}: {self.kind}, inputs {shape}, {unit}: {parts}>"

    def _or_fewer(self, fewest: int) -> str:
        if int(self.bank.counts.max()) == fewest:
            return ""
        place = int((self.bank.counts == fewest).nonzero()[0, 0])
        return f", or leave out small ones such as '{self.bank.names[place]}' by least={fewest + 1}"


def tasks_from(
    data: Any,
    classes: Any = None,
    *,
    task: Any = None,
    target: Any = None,
    kind: Literal["classification", "regression"] | None = None,
    splits: Division | None = None,
    seed: int = 0,
    least: int = 0,
    columns: Sequence[str] | None = None,
    tokens: bool = False,
    size: int = 28,
    name: str = "own",
) -> OwnTasks:
    """Tasks of your own data, split by class, or by task where you say which examples are one.

    data      examples [example, ...] (an array, a tensor, a Dataset), a pandas table or .csv file,
              or a folder of images with a folder for each class (and perhaps above these a folder
              for each split: train, validation, test)
    classes   the class of each example: a task tells some of the classes apart
    task      what each example belongs to (a hospital, a user): each is one task, or with
              `classes` its classes are told apart in tasks of its own
    target    what is to be predicted within a task: whole numbers and words are classes, the same
              in every task, and floats are numbers; `kind` says it where that is wrong
    splits    the fraction of classes (tasks), or their names, for each split; by default 0.6, 0.2
              and 0.2
    seed      divides them by fractions
    least     classes (tasks) with fewer examples than this are left out
    columns   of a table, those that are inputs; by default all that are not named otherwise
    tokens    inputs are whole numbers that stay so, for a model that looks them up (an embedding)
    size      of images in a folder, in pixels
    name      what they are called in results; they are found under it and the data's hash

    Of a table, `classes`, `task` and `target` are columns. Bytes are images, scaled to 0..1; other
    numbers become floats, unless they are tokens.

    >>> import torch
    >>> x, y = torch.randn(120, 3), torch.arange(120) % 12
    >>> tasks = tasks_from(x, y)
    >>> {split: len(part) for split, part in tasks.splits.items()}
    {'train': 7, 'validation': 3, 'test': 2}
    >>> tasks.sample(4, seed=0, shape=Shape(ways=2, shots=1, queries=5), split="test").query.x.shape
    torch.Size([4, 10, 3])
    """
    path = Path(data) if isinstance(data, str | Path) else None
    if isinstance(data, tuple) and len(data) == 2 and classes is task is None:
        raise UserError("the data are a pair: give tasks_from(x, classes), one after the other")
    if classes is not None and target is not None:
        raise UserError("classes and target were both given: leave one of them out")
    if target is not None and task is None:
        raise UserError(
            "target was given without task: say which task each example is of, or give classes"
        )
    given = {"classes": classes, "task": task, "target": target}
    rows = read(data, given, columns, size, tokens)
    said = dict(rows.said)
    if not {"classes", "target"} & set(said):
        raise UserError(
            "it is not said what is to be learned: give the class of each example as classes, or "
            "task and target"
        )
    if splits is not None and rows.splits is not None:
        raise UserError(f"{data} has a folder for each split already: leave splits out")
    found = by_class(rows.x, said, kind, splits or rows.splits or _USUAL, seed, least)
    scheme = ""
    if path is not None:
        name = "folder" if path.is_dir() else "table"
        how = {"kind": kind, "splits": splits, "seed": seed, "least": least}
        how |= {"tokens": int(tokens)}
        scheme = _scheme(path, {**given, **how, "columns": columns, "size": size})
    elif not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"tasks cannot be called '{name}': use letters, digits, - and _")
    return OwnTasks(
        found.bank,
        found.splits,
        name=name,
        scheme=scheme,
        within_groups=found.within_groups,
        ordered=found.ordered,
        default_shape=found.shape(),
    )


def opened(family: str, rest: str) -> OwnTasks:
    """The tasks of a name `folder:PATH?…` or `table:FILE.csv?…`."""
    path, _, query = rest.partition("?")
    found = parse_qs(query, keep_blank_values=True)
    numbers = ["seed", "least", "size", "tokens"]
    known = ["class", "task", "target", "kind", "column", *numbers, *SPLITS]
    options: dict[str, Any] = {}
    for word, values in found.items():
        if word not in known:
            raise UserError(f"{family}:{path} takes no '{word}': {nearest(word, known)}")
        if word in numbers:
            if not values[0].isdigit():
                raise UserError(f"{word} of {family}:{path} is '{values[0]}': give a whole number")
            options[word] = bool(int(values[0])) if word == "tokens" else int(values[0])
        elif word in SPLITS:
            share = _number(values[0]) if len(values) == 1 else None
            options.setdefault("splits", {})[word] = values if share is None else share
        elif word == "column":
            options["columns"] = values
        else:
            options["classes" if word == "class" else word] = values[0]
    if not path or Path(path).is_dir() != (family == "folder"):
        wanted = "folder of images" if family == "folder" else ".csv file"
        raise UserError(f"{family}:{path} names no {wanted}: check the path")
    return tasks_from(path, **options)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _scheme(path: Path, options: Mapping[str, Any]) -> str:
    """What opens the tasks of a folder or table again: the path, and what was said of it."""
    usual = {"seed": 0, "least": 0, "size": 28, "tokens": 0}
    said: list[tuple[str, Any]] = []
    for word, value in options.items():
        if value is None or usual.get(word) == value:
            continue
        if word == "splits":
            for split, part in value.items():
                many = isinstance(part, Sequence) and not isinstance(part, str)
                said += [(split, one) for one in (part if many else [part])]
        elif word == "columns":
            said += [("column", one) for one in value]
        elif isinstance(value, str | int):
            said.append(("class" if word == "classes" else word, value))
        else:
            raise UserError(f"{word} of {path} must be the name of a column: read the table first")
    return f"{path}?{urlencode(said)}" if said else str(path)


# ---- kept in a file -----------------------------------------------------------------------------


def save_tasks(path: Path | str, tasks: OwnTasks) -> Path:
    """Write the data of tasks in memory and all that is said of them to a file."""
    header = {"schema": SCHEMA, "record": _record(tasks), "name": tasks.name}
    return save_tensors(path, _tensors(tasks), header, kind=KIND)


def load_tasks(path: Path | str) -> OwnTasks:
    """The tasks that `save_tasks` wrote."""
    tensors, header = read_tensors(path, kind=KIND, schema=SCHEMA)
    with understood(path, KIND):
        said = header["record"]
        stored, counts = tensors["stored"], tensors["counts"]
        bank = ClassBank(
            stored[: int(counts.sum())],
            counts,
            tuple(said["names"]),
            tuple(said["groups"]),
            said["scale"],
            tensors.get("targets"),
        )
        splits: dict[Split, ClassSplit] = {
            split: ClassSplit(tensors[f"{split}.classes"], tensors[f"{split}.turns"], at_random)
            for split, at_random in said["splits"].items()
        }
        shape: dict[str, Any] = said["shape"]
        sizes: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in shape.items()}
        return OwnTasks(
            bank,
            splits,
            name=header["name"],
            within_groups=said["within_groups"],
            ordered=said["ordered"],
            shared=said.get("shared", False),
            default_shape=Shape(**sizes),
            stored=stored,
        )


def _tensors(tasks: FewShot) -> dict[str, Tensor]:
    found = {"stored": tasks.stored, "counts": tasks.bank.counts}
    if tasks.bank.targets is not None:
        found["targets"] = tasks.bank.targets
    for split, part in tasks.splits.items():
        found |= {f"{split}.classes": part.classes, f"{split}.turns": part.turns}
    return found


def _record(tasks: FewShot) -> dict[str, Any]:
    bank = tasks.bank
    return {
        "names": list(bank.names),
        "groups": list(bank.groups),
        "scale": bank.scale,
        "splits": {split: part.random_turns for split, part in tasks.splits.items()},
        "within_groups": tasks.within_groups,
        "ordered": tasks.ordered,
        "shared": tasks.shared,
        "shape": dataclasses.asdict(tasks.default_shape),
    }
