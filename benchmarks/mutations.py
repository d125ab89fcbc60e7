"""Files and settings gone wrong, seeded: what hostile writers, bad disks and tired people make."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from workbench.files import read_tensors, save_tensors
from workbench.training.checkpoints import Checkpoint, read_checkpoint, save_checkpoint

ODD: list[Any] = [
    *(None, True, -1, 0, 1, 3, 10**9, 10**30, -(10**30), 0.5, float("nan"), float("inf")),
    *("", "x", "7", "\0", "../..", "x" * 100_000, [], {}, [[]], [None] * 50, {"a": {"b": 1}}),
    *({"type": "os:system"}, ["support"], "BernoulliBandit", "complex128", "Int64", "datetime64"),
]


def deep(levels: int) -> Any:
    """Lists in lists."""
    nest: Any = 0
    for _ in range(levels):
        nest = [nest]
    return nest


def places(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in plain data."""
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(record: Any, draw: random.Random) -> Any:
    """Plain data with one or two places changed, removed, or added."""
    record = copy.deepcopy(record)
    for _ in range(draw.randint(1, 2)):
        known = list(places(record))
        if not known:
            break
        *above, key = draw.choice(known)
        holder = record
        for one in above:
            holder = holder[one]
        how = draw.randrange(6)
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, dict):
            name = draw.choice(["extra", "what", "parent", "steps", ""])
            holder[name] = copy.deepcopy(draw.choice(ODD))
        elif how == 2 and isinstance(holder[key], int | float):
            holder[key] = draw.choice([-1, 2, 10]) * holder[key] + draw.choice([-1, 1, 10**12])
        elif how == 3:
            holder[key] = deep(draw.choice([40, 400]))
        else:
            holder[key] = copy.deepcopy(draw.choice(ODD))
    return record


def changed_tensor(tensor: torch.Tensor, draw: random.Random) -> torch.Tensor:
    """A tensor of another type, shape or content."""
    how = draw.randrange(8)
    if how == 0:
        kinds = [torch.float16, torch.float64, torch.int8, torch.int64, torch.bool]
        return tensor.to(draw.choice([*kinds, torch.complex64, torch.bfloat16, torch.uint8]))
    if how == 1:
        return tensor.flatten()
    if how == 2:
        return tensor[:0] if tensor.dim() else tensor
    if how == 3:
        return torch.cat([tensor, tensor]) if tensor.dim() else tensor
    if how == 4:
        return tensor.unsqueeze(draw.randrange(tensor.dim() + 1))
    if how == 5:
        return torch.zeros(0, 2**40)
    flat = tensor.clone().flatten()
    if flat.numel():
        odd = [float("nan"), float("inf"), -1e30] if tensor.is_floating_point() else [-1, 2**30]
        if tensor.dtype in (torch.int64, torch.float32, torch.float64, torch.int32):
            flat[draw.randrange(len(flat))] = draw.choice(odd)
    return flat.view(tensor.shape)


def flipped(good: bytes, draw: random.Random) -> bytes:
    """Bytes with a few bits turned, or cut short, or with more behind them."""
    if draw.random() < 0.5:
        content = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        return bytes(content)
    return good[: draw.randrange(len(good))] + b"\0" * draw.choice([0, 0, 99])


def lying(good: bytes, draw: random.Random) -> bytes:
    """A safetensors file whose header has lengths past its end, and shapes that are none."""
    size = int.from_bytes(good[:8], "little")
    head = json.loads(good[8 : 8 + size])
    name = draw.choice([n for n in head if n != "__metadata__"])
    field = draw.choice(["shape", "data_offsets", "dtype"])
    huge = [[2**62, 4], [-1], [0, 2**63], [0, 10**30], ["a"], [2**40], [0, 2**40]]
    head[name][field] = draw.choice([*huge, "F4", "U64", None, deep(600)])
    text = json.dumps(head).encode()
    length = draw.choice([len(text), len(text), 2**63, 2**40, 0])
    return struct.pack("<Q", length) + text + good[8 + size :]


def mutate(path: Path, kind: str, good: bytes, draw: random.Random) -> None:
    """Write one mutation of a good file of tensors with a header.

    Its fingerprint is made anew where header or tensors change, as a hostile writer would, so that
    the checks behind it are reached too.
    """
    how = draw.randrange(8)
    path.write_bytes(good)
    if how < 2:
        path.write_bytes(flipped(good, draw))
        return
    if how == 2:
        path.write_bytes(lying(good, draw))
        return
    if kind == "checkpoint":
        checkpoint = read_checkpoint(path)
        tensors, header = dict(checkpoint.tensors), dict(checkpoint.header)
    else:
        tensors, header = read_tensors(path, kind=kind, schema=99)
    if how < 6:
        found = changed({"top": header}, draw).get("top", {})
        header = found if isinstance(found, dict) else {"schema": found}
    for _ in range(draw.randint(1, 2) if how >= 6 else 0):
        if not tensors:
            break
        name = draw.choice(sorted(tensors))
        chance = draw.random()
        if chance < 0.2:
            tensors.pop(name)
        elif chance < 0.4:
            other = draw.choice(["x", "values.1.b", "seed", "info.classes", "frame.a.0"])
            tensors[other] = tensors[name]
        else:
            tensors[name] = changed_tensor(tensors[name], draw)
    if kind == "checkpoint":
        save_checkpoint(path, Checkpoint(tensors, header))
    else:
        save_tensors(path, tensors, header, kind=kind)
