"""Experiments: records, stretching, presets, and the errors of wrong records."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.golden.values import NEEDED
from workbench.errors import UserError
from workbench.training import Experiment, TrainingSettings, preset, presets
from workbench.training.outer import make_schedule


@pytest.mark.parametrize("name", presets())
def test_presets_survive_json(name: str) -> None:
    experiment = preset(name)
    assert Experiment.from_record(json.loads(json.dumps(experiment.to_record()))) == experiment
    line = presets()[name]
    assert line
    assert "\n" not in line


@pytest.mark.parametrize("name", [n for n in presets() if not n.startswith("omniglot")])
def test_presets_build_and_sample(name: str, real_data: Callable[[str], Path]) -> None:
    if (family := name.partition("-")[0]) in NEEDED:
        real_data(NEEDED[family])
    experiment = preset(name)
    learner, tasks = experiment.build()
    assert sum(p.numel() for p in learner.parameters()) > 0
    assert len(tasks.sample(2, seed=0, split="test", shape=experiment.test)) == 2


def test_the_issue_s_presets_are_there() -> None:
    learners = ("maml", "maml-mlp", "reptile", "protonet", "matching", "metanet", "finetune")
    wanted = {f"sinusoid-{k}" for k in ("maml", "fomaml", "reptile", "metasgd")}
    wanted |= {f"{d}-{k}" for d in ("omniglot", "glyphs") for k in learners}
    wanted |= {"digits-maml", "digits-protonet", "bandit-rl2"}
    assert wanted <= set(presets())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sed": 1}, "no field 'sed': did you mean 'seed'"),
        ({"seed": "0"}, "field 'seed' is '0': it must be a whole number"),
        ({"seed": True}, "must be a whole number"),
        ({"dtype": "float16"}, "choose float32 or float64"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"train": 5}, "must be an object"),
        ({"train": {"shot": 1}}, "field 'train' has no field 'shot': did you mean 'shots'"),
        ({"learner": {"type": "MAMSettings"}}, "did you mean 'MAMLSettings'"),
        ({"learner": {"type": "no.such:Thing"}}, "not found"),
        ({"learner": {"type": "os:getcwd"}}, "no settings dataclass"),
        ({"learner": {"type": "this:X"}}, "loaded only from the folder 'methods'"),
        ({"learner": {"type": "unittest.__main__:X"}}, "loaded only from the folder 'methods'"),
        ({"learner": {"type": "workbench.training:Experiment"}}, "without its module"),
        ({"learner": {}}, "must be an object with a 'type'"),
        ({"training": {"rate": -1}}, "training.rate is -1"),
        ({"training": {"rate": float("nan")}}, "training.rate is nan"),
        ({"training": {"optimizer": "Adma"}}, "did you mean 'Adam"),
        ({"training": {"optimizer": "LBFGS"}}, "closure"),
        ({"training": {"schedule": "cosin"}}, "did you mean 'cosine'"),
        ({"training": {"compiled": "maybe"}}, "choose auto or on or off"),
        ({"training": {"clip": "1"}}, "must be a finite number or null"),
    ],
)
def test_wrong_records_are_said_in_a_sentence(change: dict[str, object], message: str) -> None:
    record = preset("sinusoid-maml").to_record() | change
    with pytest.raises(UserError, match=message) as caught:
        Experiment.from_record(record)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    record = preset("sinusoid-maml").to_record()
    del record["model"]
    with pytest.raises(UserError, match="lacks the field 'model'"):
        Experiment.from_record(record)


def test_stretching_takes_the_schedule_along() -> None:
    experiment = preset("omniglot-protonet")
    short = experiment.stretched(200)

    def halfway(settings: TrainingSettings) -> float:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=settings.rate)
        schedule = make_schedule(settings, optimizer)
        schedule.last_epoch = settings.iterations // 2 - 1
        optimizer.step()
        schedule.step()
        return float(optimizer.param_groups[0]["lr"])

    assert halfway(short.training) == halfway(experiment.training) == 1e-3 * 0.5**5
    ratio = experiment.training.iterations / experiment.training.validate_every
    assert 200 / short.training.validate_every == pytest.approx(ratio, rel=0.2)


def test_building_is_seeded_and_keeps_the_generator() -> None:
    experiment = preset("sinusoid-maml")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, other = experiment.build()[0], experiment.build()[0]
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    different = dataclasses.replace(experiment, seed=1).build()[0]
    assert any(
        not torch.equal(a, b) for a, b in zip(one.parameters(), different.parameters(), strict=True)
    )


def test_the_seed_holds_in_threads() -> None:
    experiment = preset("sinusoid-maml")
    expected = weights(experiment.build()[0])

    def builds(_: int) -> list[bool]:
        return [torch.equal(weights(experiment.build()[0]), expected) for _ in range(60)]

    with ThreadPoolExecutor(3) as pool:
        assert all(equal for found in pool.map(builds, range(3)) for equal in found)


@pytest.mark.parametrize("name", ["sinusoid-maml", "digits-maml", "bandit-rl2", "glyphs-snail"])
def test_a_learner_starts_as_torch_s_own_seed_would_have_it(name: str) -> None:
    experiment = dataclasses.replace(preset(name), seed=7)
    spec = experiment.open_tasks().spec(experiment.train)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = experiment.learner.build(experiment.model, spec)
    assert torch.equal(weights(experiment.build()[0]), weights(expected))


def weights(learner: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in learner.parameters()])


def test_a_record_imports_nothing() -> None:
    sys.modules.pop("this", None)
    record = preset("sinusoid-maml").to_record() | {"learner": {"type": "this:X"}}
    with pytest.raises(UserError):
        Experiment.from_record(record)
    assert "this" not in sys.modules


def test_a_method_is_loaded_only_as_the_record_knew_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = (
        "from workbench.algorithms import MAMLSettings\nfrom dataclasses import dataclass\n"
        "@dataclass(frozen=True)\nclass Mine(MAMLSettings):\n    pass\n"
    )
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "only.py").write_text(text)
    base = preset("sinusoid-maml").to_record()
    record = base | {"learner": base["learner"] | {"type": "methods.only:Mine"}}
    methods = {"methods.only": hashlib.sha256(text.encode()).hexdigest()}
    for wrong in ({}, {"methods.only": "0" * 64}):
        with pytest.raises(UserError, match=r"methods/only\.py has changed since"):
            Experiment.from_record(record, "here", wrong)
    assert "methods.only" not in sys.modules
    assert type(Experiment.from_record(record, "here", methods).learner).__name__ == "Mine"
    for name in ("methods", "methods.only"):
        sys.modules.pop(name)
