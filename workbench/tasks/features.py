"""Features of a frozen network in place of the inputs, computed once."""

from __future__ import annotations

import copy
import hashlib
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.files import read_tensors, save_tensors
from workbench.resources import cache_folder
from workbench.tasks.base import Tasks
from workbench.tasks.own_data import OwnTasks
from workbench.tasks.sampler import FewShot

KIND, SCHEMA = "features", 1


def features_of(module: nn.Module, tasks: Tasks, *, batch: int = 256) -> OwnTasks:
    """The same tasks with what a frozen network makes of their inputs in place of these.

    It runs once over every example, in evaluation mode (batch normalisation by its running
    statistics) and without gradients; the module itself is left as it is. What it gives is kept in
    the data cache under the hash of module and data. The tasks say the shape of a feature.

    >>> from workbench.tasks import open_tasks
    >>> features_of(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), open_tasks("digits"))
    <digits-features:...: classification, inputs [16], classes: 5 train, 2 validation, 3 test>
    """
    if not isinstance(tasks, FewShot):
        raise UserError(
            f"features are computed once of a stock of examples, and '{tasks.name}' draws its own "
            "anew: use tasks of data, such as those of tasks_from"
        )
    if tasks.warped_training:
        raise UserError(
            f"'{tasks.name}:{tasks.scheme}' warps its images anew in every task, so that features "
            "cannot be computed once: use tasks without warped copies"
        )
    for child_name, child in module.named_modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.running_mean is None:
            raise UserError(
                f"'{child_name}' ({type(child).__name__}) normalises by the batch it is in, and a "
                "feature would depend on its neighbours: use a network with running statistics"
            )
    frozen = copy.deepcopy(module).eval()
    file = cache_folder() / "features" / f"{_key(frozen, tasks)}.safetensors"
    if file.is_file():
        features = read_tensors(file, kind=KIND, schema=SCHEMA, cure="delete it")[0]["features"]
    else:
        features = _computed(frozen, tasks, batch)
        with suppress(UserError):  # a cache that cannot be written to is none
            save_tensors(file, {"features": features}, {"schema": SCHEMA}, kind=KIND)
    return OwnTasks(
        replace(tasks.bank, x=features[: len(tasks.bank.x)], scale=1.0),
        tasks.splits,
        name=f"{tasks.name}-features",
        within_groups=tasks.within_groups,
        ordered=tasks.ordered,
        shared=tasks.shared,
        default_shape=tasks.default_shape,
        stored=features,
    )


@torch.no_grad()
def _computed(frozen: nn.Module, tasks: FewShot, batch: int) -> Tensor:
    like = next(frozen.parameters(), None)
    found = []
    for part in tasks.stored.split(batch):
        x = tasks.bank.scaled(part)
        if like is not None:
            x = x.to(like.device, like.dtype if x.is_floating_point() else None)
        try:
            y = frozen(x)
        except RuntimeError as error:
            raise UserError(
                f"{type(frozen).__name__} fails on inputs of shape {list(x.shape[1:])} "
                f"({str(error).strip().splitlines()[0]}): choose a network that takes them"
            ) from error
        if not isinstance(y, Tensor) or y.dim() < 2 or len(y) != len(x):
            shown = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise UserError(
                f"{type(frozen).__name__} gives {shown} for {len(x)} examples: features are one "
                "tensor [example, …]"
            )
        found.append(y.float().cpu())
    return torch.cat(found)


def _key(frozen: nn.Module, tasks: FewShot) -> str:
    """The hash of the network, with the text of its forward, and of the data."""
    digest = hashlib.sha256(f"{frozen}{tasks.bank.scale}".encode())
    for child in frozen.modules():
        code = getattr(type(child).forward, "__code__", None)
        digest.update(b"" if code is None else code.co_code + repr(code.co_consts).encode())
    for name, tensor in {**frozen.state_dict(), "stored": tasks.stored}.items():
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
