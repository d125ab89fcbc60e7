"""Checkpoints: one safetensors file with a JSON header, written so that no reader sees half of it.

No pickle is read or written: a hostile file can at worst be refused. A checksum tells of every bit
that changed since.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.files import read_tensors, save_tensors

KIND = "workbench"
PATHS = ("eager", "compiled", "captured", "compiled and captured")  # of a meta-gradient
SCHEMA = 2
_HASHED = 2  # the first version with a checksum


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Named tensors, and a header of plain data that says what they belong to."""

    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name.`, without it.

        >>> list(Checkpoint({"learner.w": torch.zeros(1), "random.cpu": torch.zeros(1)}, {}).part(
        ...     "learner"))
        ['w']
        """
        head = name + "."
        return {k.removeprefix(head): t for k, t in self.tensors.items() if k.startswith(head)}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one before it."""
    save_tensors(path, checkpoint.tensors, {"schema": SCHEMA, **checkpoint.header}, kind=KIND)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; a damaged or foreign file is refused with a sentence."""
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: train first, or look in another run")
    return Checkpoint(
        *read_tensors(path, kind=KIND, schema=SCHEMA, hashed=_HASHED, cure="delete it")
    )


def load_learner(learner: nn.Module, checkpoint: Checkpoint, path: Path | str) -> None:
    """Put a checkpoint's parameters into a learner of the same method and shapes, or refuse."""
    method, stored = type(learner).__name__, checkpoint.header.get("method")
    if method != stored:
        raise UserError(
            f"{path} holds the method {stored}, not {method}: open it with the experiment "
            "that it was trained by"
        )
    found, wanted = checkpoint.part("learner"), learner.state_dict()
    for name in sorted(found.keys() ^ wanted.keys()):
        where = "lacks" if name in wanted else "has an unknown"
        raise UserError(f"{path} {where} tensor '{name}': it comes from another model")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            raise UserError(
                f"{path} has '{name}' of shape {list(found[name].shape)}, the model wants "
                f"{list(tensor.shape)}: it comes from another model"
            )
    learner.load_state_dict(found)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as named tensors, and the rest of it as plain data."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            into: dict[str, Any] = tensors if isinstance(value, Tensor) else plain
            into[f"{index}.{name}"] = value
    return tensors, {"plain": plain, "groups": state["param_groups"]}


def load_optimizer(
    optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, like: torch.optim.Optimizer, path: str
) -> None:
    """Bring an optimizer to a stored state, bit for bit.

    like  an optimizer of the same kind after as many steps (one stands for many): what is to be
          found
    """
    rest = checkpoint.header["optimizer"]
    tensors = checkpoint.part("optimizer")
    wanted, rest_wanted = optimizer_tensors(like)
    check_tensors(tensors, wanted, "optimizer", path)
    check_alike(
        {"plain": rest.get("plain"), "groups": rest.get("groups")}, rest_wanted, "optimizer", path
    )
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["plain"]}.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [
        {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}
        for group in rest["groups"]
    ]
    for group, own in zip(groups, like.state_dict()["param_groups"], strict=True):
        group["params"] = own["params"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def check_header(checkpoint: Checkpoint, path: Path | str) -> None:
    """Refuses a header from which no training can go on."""
    header = checkpoint.header
    for name, (wanted, good) in _HEADER.items():
        if name not in header:
            raise UserError(
                f"{path} lacks '{name}', so that no training can go on from it: delete it"
            )
        if not good(header[name]):
            raise UserError(
                f"{path} has {str(header[name])[:80]!r} for '{name}', not {wanted}: delete it"
            )


def check_tensors(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], part: str, path: Path | str
) -> None:
    """Refuses a part of a checkpoint whose tensors have other names, sizes or precisions."""
    for name in sorted(found.keys() ^ wanted.keys()):
        where = "lacks" if name in wanted else "has an unknown"
        raise UserError(f"{path} {where} tensor '{part}.{name}': delete it")
    for name, tensor in wanted.items():
        if (found[name].shape, found[name].dtype) != (tensor.shape, tensor.dtype):
            raise UserError(
                f"{path} has '{part}.{name}' of shape {list(found[name].shape)} and "
                f"{found[name].dtype}, not {list(tensor.shape)} and {tensor.dtype}: delete it"
            )


def check_alike(found: Any, wanted: Any, part: str, path: Path | str) -> None:
    """Refuses plain data that has other names, lengths or types than what is wanted there."""
    if not _alike(found, wanted):
        raise UserError(
            f"the {part} in {path} is not what torch {torch.__version__} keeps there: go on with "
            "the version that wrote it, or delete it"
        )


def _alike(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(_alike(found[name], wanted[name]) for name in wanted)
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(map(_alike, found, wanted))
        )
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return _number(found)
    return type(found) is type(wanted)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(least: int, most: int = 2**62) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and value is not True and least <= value <= most


def _best(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and value.keys() == {"value", "iteration", "validations_since"}
        and _number(value["value"])
        and all(_whole(0)(value[name]) for name in ("iteration", "validations_since"))
    )


# What stands in the header of a training's checkpoint: what it is in words, and whether it is that.
_HEADER: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "method": ("a name", lambda value: isinstance(value, str)),
    "iteration": ("a whole number", _whole(0)),
    "optimizer": (
        "an optimizer's class and state",
        lambda value: isinstance(value, dict) and isinstance(value.get("class"), str),
    ),
    "schedule": ("a schedule's state", lambda value: isinstance(value, dict)),
    "loss_count": ("a whole number", _whole(0)),
    "best": ("a validation, or null", _best),
    "path": ("eager, compiled or captured", lambda value: value in PATHS),
    "threads": ("a whole number from 1 to 1024", _whole(1, 1024)),
    "seconds": ("a number", _number),
    "versions": ("the versions of what wrote it", lambda value: isinstance(value, dict)),
}
