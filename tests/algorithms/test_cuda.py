"""The same numbers on a CUDA device, where there is one."""

from __future__ import annotations

import copy
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.algorithms.cases import CASES, Case
from workbench.algorithms import MAML, Learner
from workbench.errors import UserError
from workbench.innerloop import Precision, products
from workbench.inspection import Tape
from workbench.randomness import fold, normal, permutation, uniform
from workbench.tasks import Episode, Shape, open_tasks
from workbench.training import Experiment, Trainer, evaluate, preset, train
from workbench.training.checkpoints import read_checkpoint, save_checkpoint
from workbench.training.execution import MetaGradients

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device was found"),
]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.usefixtures("double")
def test_meta_gradients_equal_those_of_the_cpu(case: Case) -> None:
    learner, episode = case.build(), case.episode()
    expected = learner.meta_gradient(episode)
    found = copy.deepcopy(learner).to("cuda").meta_gradient(episode.to("cuda"))
    torch.testing.assert_close(found.losses.cpu(), expected.losses, rtol=1e-8, atol=1e-10)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name].cpu(), gradient, rtol=1e-7, atol=1e-9)


def test_random_numbers_are_those_of_the_cpu() -> None:
    seed = torch.arange(5)
    assert torch.equal(fold(seed.cuda(), 3).cpu(), fold(seed, 3))
    assert torch.equal(uniform(seed.cuda(), (7,)).cpu(), uniform(seed, (7,)))
    assert torch.equal(permutation(seed.cuda(), 9).cpu(), permutation(seed, 9))
    torch.testing.assert_close(normal(seed.cuda(), (7,)).cpu(), normal(seed, (7,)))


@pytest.mark.parametrize("name", ["sinusoid-maml", "glyphs-protonet", "bandit-rl2"])
def test_presets_train_and_are_measured(name: str) -> None:
    experiment = replace(preset(name).stretched(5), device="cuda")
    training = replace(experiment.training, tasks=2, validate_every=0)
    experiment = replace(experiment, training=training)
    if experiment.tasks == "glyphs":
        experiment = replace(experiment, train=Shape(5, 1, 2), test=Shape(5, 1, 2))
    outcome = train(experiment, progress=False)
    assert outcome.iteration == 5
    result = evaluate(outcome.learner, outcome.tasks, experiment.test, episodes=8)
    assert result.values.isfinite().all()


# ---- captured ------------------------------------------------------------------------------------

DETERMINISTIC = [
    "MAML", "MAML, classes", "MAML, dropout", "MAML, rates per step", "FOMAML", "Meta-SGD",
    "Prototypical", "MANN", "RL², GRU",
]  # fmt: skip


def on_gpu(name: str) -> tuple[Learner, Episode, Episode]:
    """A method, and two batches of tasks of one shape."""
    torch.manual_seed(0)
    case = CASES[name]
    episode = case.episode().to("cuda")
    return case.build().to("cuda"), episode[:2], episode[1:3]


def captured(learner: Learner, **how: int) -> MetaGradients:
    return MetaGradients(learner, compiled="off", captured="on", **how)


@torch.no_grad()
def moved(learner: Learner) -> None:
    for parameter in learner.parameters():
        parameter.mul_(1.01)


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.usefixtures("double")
def test_a_replay_has_the_bits_of_the_eager_call(name: str) -> None:
    learner, one, other = on_gpu(name)
    run = captured(learner)
    run(one)
    assert run.path == "captured", run.note
    assert [c.error for c in run.certificates] == [0.0]
    moved(learner)  # in place, as an optimizer does
    found, expected = run(other), learner.meta_gradient(other)
    assert torch.equal(found.losses, expected.losses)
    for key, gradient in expected.gradients.items():
        assert torch.equal(found.gradients[key], gradient), key


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("double")
def test_every_method_is_captured_or_says_why_not(name: str) -> None:
    learner, one, other = on_gpu(name)
    run = captured(learner)
    run(one)
    assert run.path == "captured" or run.note
    eager = MetaGradients(learner, compiled="off", captured="off")
    eager(one)
    run.carried = eager.carried = None  # `other` is another batch
    found, expected = run(other), eager(other)
    torch.testing.assert_close(found.losses, expected.losses, rtol=1e-9, atol=1e-11)
    for key, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[key], gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("double")
def test_what_a_replay_gave_is_not_overwritten_by_the_next() -> None:
    learner, one, other = on_gpu("MAML")
    run = captured(learner)
    run(one)
    first = run(one)
    kept = {name: gradient.clone() for name, gradient in first.gradients.items()}
    run(other)
    run(one[:1])  # another shape, whose graph shares the memory
    run(other)
    assert all(torch.equal(first.gradients[name], gradient) for name, gradient in kept.items())


@pytest.mark.usefixtures("double")
def test_captured_chunks_have_the_bits_of_eager_ones() -> None:
    learner, _, _ = on_gpu("MAML")
    episode = CASES["MAML"].episode().to("cuda")
    run = captured(learner, tasks_per_chunk=2)  # the last chunk is smaller where they are odd
    for _ in range(2):
        found = run(episode)
    assert run.path == "captured", run.note
    eager = MetaGradients(learner, compiled="off", captured="off", tasks_per_chunk=2)
    expected = eager(episode)
    for name, gradient in expected.gradients.items():
        assert torch.equal(found.gradients[name], gradient)


class Peeking(MAML):
    """Reads a number of the GPU in the middle of a step."""

    def meta_loss(self, path: object, episode: Episode) -> Tensor:
        found = super().meta_loss(path, episode)  # type: ignore[arg-type]
        return found * (1.0 if float(found.detach().sum()) >= 0 else -1.0)


@pytest.mark.usefixtures("double")
def test_what_reads_the_gpu_is_not_captured_and_all_goes_on() -> None:
    plain, one, other = on_gpu("MAML")
    peeking = Peeking(plain.model, plain.settings).to("cuda")
    run = captured(peeking)
    with pytest.warns(RuntimeWarning, match="running eagerly: capturing failed"):
        run(one)
    assert run.path == "eager"
    assert "capturing failed" in str(run.note)
    expected = peeking.meta_gradient(other)
    for name, gradient in run(other).gradients.items():
        assert torch.equal(gradient, expected.gradients[name])
    again = captured(plain)  # nothing of the failed capture is left behind
    again(one)
    assert again.path == "captured", again.note


@pytest.mark.usefixtures("double")
def test_as_products_convolutions_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, one, other = on_gpu("MAML, Conv4")
    monkeypatch.setattr(products, "ON", set())
    expected = learner.meta_gradient(other)
    monkeypatch.setattr(products, "ON", {"cuda"})
    run = captured(learner)
    run(one)
    assert run.path == "captured", run.note
    found = run(other)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name], gradient, rtol=1e-8, atol=1e-10)


def test_a_convolutional_net_trains_in_tf32() -> None:
    learner, one, _ = on_gpu("MAML, Conv4")
    run = MetaGradients(learner.float(), precision="high")
    episode = one.to("cuda", torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may cost more than usual, which is told
        run.check_precision(episode)
    run(episode)
    assert run.path == "captured", run.note
    assert run(episode).losses.isfinite().all()
    assert not torch.backends.cudnn.benchmark


@pytest.mark.slow
@pytest.mark.usefixtures("double")
def test_compiled_and_captured_equals_eager() -> None:
    learner, one, other = on_gpu("MAML")
    run = MetaGradients(learner, compiled="on", captured="on")
    run(one)
    assert run.path == "compiled and captured", run.note
    assert [c.way for c in run.certificates] == ["compiled", "captured"]
    found, expected = run(other), learner.meta_gradient(other)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name], gradient, rtol=1e-8, atol=1e-10)


def small(name: str, **more: object) -> Experiment:
    """A preset on the GPU, a few outer steps long."""
    base = preset(name).stretched(12)
    settings = replace(
        base.training, tasks=4, validation_tasks=4, validate_every=5, log_every=3, **more
    )
    found = replace(base, training=settings, device="cuda")
    return replace(found, test=Shape(1, 5, 10)) if name.startswith("sinusoid") else found


@pytest.mark.parametrize("name", ["sinusoid-maml", "sinusoid-metasgd", "bandit-rl2"])
def test_a_captured_training_has_the_bits_of_an_eager_one(name: str, tmp_path: Path) -> None:
    runs = {}
    for way in ("on", "off"):
        experiment = small(name, captured=way, compiled="off")
        outcome = train(experiment, tmp_path / way, progress=False)
        assert outcome.run is not None
        runs[way] = outcome.run.checkpoint("latest")[0]
    assert runs["on"].header["path"] == "captured", runs["on"].header["note"]
    assert runs["off"].header["path"] == "eager"
    for key, tensor in runs["off"].tensors.items():
        assert torch.equal(runs["on"].tensors[key], tensor), key


@pytest.mark.parametrize("chunk", [0, 3])
def test_a_captured_training_resumes_exactly(chunk: int, tmp_path: Path) -> None:
    experiment = small("sinusoid-maml", tasks_per_chunk=chunk, clip=0.5, captured="on")
    whole = Trainer(experiment)
    assert whole.meta_gradients.path == "captured", whole.meta_gradients.note
    for _ in range(4):
        whole.update()
    whole.validate()
    save_checkpoint(tmp_path / "it", whole.checkpoint())
    kept = read_checkpoint(tmp_path / "it")
    again = Trainer(experiment, path=kept.header["path"])
    again.restore(kept, "it")
    for trainer in (whole, again):
        for _ in range(4):
            trainer.update()
    for name, tensor in whole.checkpoint().tensors.items():
        assert torch.equal(again.checkpoint().tensors[name], tensor), name


@pytest.mark.parametrize("precision", ["high", "bf16"])
def test_a_precision_is_certified_and_set_for_the_training_alone(precision: Precision) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    trainer = Trainer(replace(small("sinusoid-maml"), precision=precision))
    first, *graphs = trainer.meta_gradients.certificates
    assert first.way == precision
    assert 0 < first.error <= first.tolerance
    assert [c.error for c in graphs] == [0.0]
    for _ in range(3):
        trainer.update()
    assert torch.isfinite(trainer.loss_sum)
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    assert not torch.is_autocast_enabled("cuda")


# ---- evaluation, tapes, inspections --------------------------------------------------------------


@pytest.mark.parametrize("name", ["sinusoid-maml", "sinusoid-metasgd", "bandit-rl2"])
@pytest.mark.usefixtures("double")
def test_an_evaluation_is_that_of_the_cpu(name: str) -> None:
    experiment = replace(preset(name), dtype="float64")
    learner, tasks = experiment.build()
    shape = experiment.test
    expected = evaluate(learner, tasks, shape, episodes=8)
    found = evaluate(copy.deepcopy(learner).to("cuda"), tasks, shape, episodes=8)
    assert found.episodes_sha256 == expected.episodes_sha256
    torch.testing.assert_close(found.values, expected.values, rtol=1e-7, atol=1e-9)


LOOKED_AT = [
    "MAML", "MAML, classes", "Meta-SGD", "Prototypical", "MANN", "RL², GRU",
    "LEO", "Attention, soft", "MAML-RL",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.usefixtures("double")
def test_a_tape_goes_on_from_any_step_and_is_saved(name: str, tmp_path: Path) -> None:
    learner, episode, _ = on_gpu(name)
    tape = Tape.record(learner.eval(), episode)
    for step in (0, len(tape) - 1):
        for one, other in zip(tape, tape.branch(step), strict=True):
            for key, value in one.values.items():
                assert value.is_cuda
                assert torch.equal(value, other.values[key]), key
    loaded = Tape.load(tape.save(tmp_path / "a.metatrace", kinds=["steps"]))
    for one, other in zip(tape, loaded, strict=True):
        for key, value in one.values.items():
            assert torch.equal(value.cpu(), other.values[key].cpu()), key


def looked_at(tape: Tape) -> dict[str, pd.DataFrame]:
    """Every way to look at it that suits its tasks."""
    found = {}
    for kind in tape.inspections:
        with suppress(UserError):
            found[kind] = tape.frame(kind)
    return found


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.usefixtures("double")
def test_every_inspection_is_that_of_the_cpu(name: str) -> None:
    learner, episode, _ = on_gpu(name)
    there = Tape.record(copy.deepcopy(learner).cpu().eval(), episode.to("cpu"))
    here = Tape.record(learner.eval(), episode)
    found_frames, expected_frames = looked_at(here), looked_at(there)
    assert found_frames.keys() == expected_frames.keys()
    for kind, expected in expected_frames.items():
        found = found_frames[kind]
        assert (list(found), len(found)) == (list(expected), len(expected)), kind
        if kind in ("curvature", "embedding"):  # directions have no sign, eigenvectors no order
            continue
        for column in expected.select_dtypes("number"):
            one, other = (f[column].to_numpy(dtype=float) for f in (found, expected))
            if kind == "landscape" and column in ("x", "y"):
                one, other = np.abs(one), np.abs(other)
            np.testing.assert_allclose(one, other, 1e-4, 1e-6, err_msg=f"{kind}.{column}")


def test_tasks_sampled_on_the_gpu_are_those_of_the_cpu() -> None:
    tasks = open_tasks("glyphs")
    for shape in (Shape(5, 1, 2), Shape((2, 4), (1, 3), 2)):
        expected = tasks.sample(6, seed=3, shape=shape)
        found = tasks.on("cuda").sample(6, seed=3, shape=shape)
        assert found.support.x.is_cuda
        for name, tensor in expected.tensors().items():
            assert torch.equal(found.tensors()[name].cpu(), tensor), name
