"""Checkpoints: one safetensors file with a JSON header, written so that no reader sees half of it.

No pickle is read or written: a hostile file can at worst be refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.files import write_safely

SCHEMA = 1


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
    from safetensors.torch import save

    header = {"schema": SCHEMA, **checkpoint.header}
    tensors = {k: t.detach().cpu().contiguous().clone() for k, t in checkpoint.tensors.items()}
    write_safely(path, save(tensors, {"workbench": json.dumps(header)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; a damaged or foreign file is refused with a sentence."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: train first, or look in another run")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["workbench"])
            if header["schema"] > SCHEMA:
                raise UserError(f"{path} was written by a newer workbench: update this one")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is damaged or no checkpoint of the workbench: delete it") from None
    return Checkpoint(tensors, header)


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
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]
) -> None:
    """Bring an optimizer to a stored state, bit for bit."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["plain"]}.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [
        {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}
        for group in rest["groups"]
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
