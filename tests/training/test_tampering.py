"""A run's files, tampered with in 200 seeded ways: each is read, or refused in one sentence."""

import dataclasses
import json
import math
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.cli import main
from workbench.errors import UserError
from workbench.inspection import metrics_frame
from workbench.training import Experiment, Run, train
from workbench.training.checkpoints import Checkpoint, read_checkpoint, save_checkpoint

WRONG: list[Any] = [None, True, "word", "", -1, 0, 0.5, 10**40, math.nan, -math.inf, 1e308]
WRONG += [[], {}, [[1]], {"type": "this:X"}, {"a": 1}, "unittest.__main__:X", "\ud800", "cuda:7"]
BYTES = [b"", b"5", b"null", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": NaN}', b"{}", b'"x"']
METHODS = {"methods.mine": {"sha256": "0" * 64, "text": "X = 1\n"}}


@pytest.fixture
def paused(tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that stopped at iteration 20 of 30, with files of every kind."""
    monkeypatch.chdir(tmp_path)
    train(tiny.stretched(20), "run", progress=False)
    longer = dataclasses.replace(tiny.training, iterations=30)
    record = dataclasses.replace(tiny, training=longer).to_record()
    Path("run", "config.json").write_text(json.dumps(record))
    Path("run", "methods.json").write_text(json.dumps(METHODS))
    return tmp_path / "run"


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in plain data: the object or list, and the name or number in it."""
    items = list(value.items()) if isinstance(value, dict) else []
    items = list(enumerate(value)) if isinstance(value, list) else items
    return [(value, key) for key, _ in items] + [p for _, inner in items for p in places(inner)]


def spoil(data: Any, chance: random.Random) -> Any:
    """The data with one of its values replaced, taken out or added to."""
    holder, key = chance.choice(places(data))
    how = chance.random()
    if how < 0.15:
        del holder[key]
    elif how < 0.25 and isinstance(holder, dict):
        holder[key + "s"] = holder[key]
    else:
        holder[key] = chance.choice(WRONG)
    return data


def spoil_text(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    how = chance.random()
    if how < 0.25:
        content = bytearray(chance.choice(BYTES))
    elif how < 0.5:
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif how < 0.6:
        del content[chance.randrange(len(content)) :]
    elif path.suffix == ".jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        spoiled = spoil(lines, chance)
        content = bytearray(b"".join(json.dumps(line).encode() + b"\n" for line in spoiled))
    else:
        content = bytearray(json.dumps(spoil(json.loads(content), chance)).encode())
    path.write_bytes(content)


def spoil_checkpoint(path: Path, chance: random.Random) -> None:
    how = chance.random()
    if how < 0.3:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        return
    found = read_checkpoint(path)
    tensors, header = dict(found.tensors), json.loads(json.dumps(dict(found.header)))
    name = chance.choice(sorted(tensors))
    if how < 0.45:
        del tensors[name]
    elif how < 0.55:
        tensors[name] = tensors[name].flatten()[:-1]
    elif how < 0.6:
        tensors[name] = tensors[name].to(torch.int16)
    elif how < 0.65:
        tensors[name] = torch.zeros_like(tensors[name])
    elif how < 0.7:
        tensors[chance.choice("xyz") + name] = tensors[name]
    else:
        header = spoil(header, chance)
    save_checkpoint(path, Checkpoint(tensors, header))


SPOILERS: dict[str, Callable[[Path, random.Random], None]] = {
    "config.json": spoil_text,
    "metrics.jsonl": spoil_text,
    "methods.json": spoil_text,
    "status.json": spoil_text,
    "checkpoints/latest.safetensors": spoil_checkpoint,
    "checkpoints/best.safetensors": spoil_checkpoint,
}


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:.*damaged")
def test_two_hundred_ways(paused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = 0
    for seed in range(200):
        chance = random.Random(seed)
        name = list(SPOILERS)[seed % len(SPOILERS)]
        run = paused.parent / f"tampered-{seed}"
        shutil.copytree(paused, run)
        SPOILERS[name](run / name, chance)
        for arguments in (
            ["evaluate", str(run), "--episodes", "2", "--steps", "1"],
            ["train", "--run", str(run), "--resume", "--minutes", "0.0005"],
            ["stop", str(run)],
        ):
            capsys.readouterr()
            code = main(arguments)
            said = capsys.readouterr().err
            assert code in (0, 2), (seed, name, arguments, said)
            assert "Traceback" not in said
            if code == 2:
                lines = [line for line in said.splitlines() if "damaged in" not in line]
                assert len(lines) == 1, (seed, name, arguments, said)
            refused += code == 2 and arguments[0] != "stop"
        for look in (Run(run).status, Run(run).metrics, lambda run=run: metrics_frame(run)):
            with suppress(UserError):
                look()
        shutil.rmtree(run)
    assert refused > 80
