"""The contract that every method keeps, in float64: see `workbench.algorithms.base`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from tests.algorithms.cases import BASELINES, CASES, Case
from tests.algorithms.checks import (
    CLOSELY,
    EXACTLY,
    assert_same,
    assert_same_paths,
    cloned,
    every_case,
    inputs,
    predict,
    run,
    trained_or_not,
)
from workbench.algorithms import Adapted, FineTuning, Learner, adapt
from workbench.algorithms.control.trials import advantages
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import trainable
from workbench.innerloop import InnerOptimizer, compiled, weights_of
from workbench.tasks import Episode
from workbench.training.execution import MetaGradients

OPTIMIZERS = {
    "sgd": InnerOptimizer(),
    "momentum": InnerOptimizer(momentum=0.9),
    "adam": InnerOptimizer("adam"),
    "adamw": InnerOptimizer("adamw", weight_decay=0.1),
    "rmsprop": InnerOptimizer("rmsprop"),
}

pytestmark = pytest.mark.usefixtures("double")

cases_with_a_rate = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.has_inner_rate],
    ids=[name for name, case in CASES.items() if case.has_inner_rate],
)


# ---- values ----------------------------------------------------------------------------------


@every_case
def test_nothing_changes_its_inputs(case: Case) -> None:
    learner, episode = case.build(), case.episode()
    state, tensors = cloned(learner.state_dict()), cloned(episode.tensors())
    generator = torch.get_rng_state()
    before: list[tuple[Adapted, Adapted]] = []
    for mode in (True, False):
        learner.train(mode)
        for adapted in adapt(learner, episode):
            kept = Adapted(cloned(adapted.values), cloned(adapted.seen), adapted.step)
            before.append((adapted, kept))
            learner.predict(adapted, *inputs(episode))
    learner.train()
    learner.meta_gradient(episode)
    assert_same(learner.state_dict(), state, **EXACTLY)
    assert_same(episode.tensors(), tensors, **EXACTLY)
    assert_same_paths([a.detach() for a, _ in before], [kept for _, kept in before], **EXACTLY)
    assert torch.equal(torch.get_rng_state(), generator), "a global generator was drawn from"
    assert all(p.grad is None for p in learner.parameters()), "only the trainer writes .grad"


@every_case
def test_training_on_does_not_change_what_was_adapted(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    for path in (run(learner, episode), [a.detach() for a in adapt(learner, episode)]):
        kept = [Adapted(cloned(a.values), cloned(a.seen), a.step) for a in path]
        with torch.no_grad():
            for parameter in learner.parameters():
                parameter.add_(0.1)
        assert_same_paths(path, kept, **EXACTLY)


@trained_or_not
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_stepping_by_hand_equals_running_through(case: Case, training: bool) -> None:
    learner, episode = case.build().train(training), case.episode()
    with torch.no_grad():
        by_hand = [learner.begin(episode)]
        for _ in range(learner.steps(episode)):
            by_hand.append(learner.step(by_hand[-1], episode))
    assert_same_paths(run(learner, episode), by_hand, **EXACTLY)


@every_case
def test_the_same_seed_gives_the_same_bits(case: Case) -> None:
    one, episode = case.build(), case.episode()
    other, again = case.build(), case.episode()
    torch.manual_seed(99)  # must not matter any more
    assert_same_paths(run(other.eval(), again), run(one.eval(), episode), **EXACTLY)
    one.train(), other.train()
    assert_same(
        other.meta_gradient(again).gradients, one.meta_gradient(episode).gradients, **EXACTLY
    )
    different = case.build(seed=1).meta_gradient(episode).gradients
    assert any(not torch.equal(different[n], g) for n, g in one.meta_gradient(episode)[0].items())


@trained_or_not
def test_predicting_twice_gives_the_same_bits(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    for adapted in run(learner, episode):
        first, second = (predict(learner, adapted, episode) for _ in range(2))
        assert torch.equal(first, second)
        assert first.isfinite().all()
        assert first.shape[:2] == inputs(episode)[0].shape[:2]


@every_case
def test_before_the_first_step_one_can_predict(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    path = run(learner, episode)
    before, after = (predict(learner, adapted, episode) for adapted in (path[0], path[-1]))
    assert before.shape == after.shape
    assert not torch.equal(before, after)
    memory = isinstance(learner, MemoryLearner) and not weights_of(path[0].values)
    if memory and episode.ways:  # that nothing was written to
        assert torch.equal(before, torch.zeros_like(before))


@every_case
def test_saving_and_loading_gives_the_same_bits(case: Case) -> None:
    learner, episode, file = case.build(), case.episode(), io.BytesIO()
    torch.save(learner.state_dict(), file)
    file.seek(0)
    other = case.build(seed=1)
    other.load_state_dict(torch.load(file))
    assert_same(
        other.meta_gradient(episode).gradients, learner.meta_gradient(episode).gradients, **EXACTLY
    )
    assert_same_paths(run(other.eval(), episode), run(learner.eval(), episode), **EXACTLY)


@trained_or_not
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_replay_from_a_middle_step_is_exact(case: Case, training: bool) -> None:
    learner, episode = case.build().train(training), case.episode()
    path = run(learner, episode)
    for middle in path:
        with torch.no_grad():
            again = list(adapt(learner, episode, start=middle))
        assert_same_paths(again, path[middle.step :], **EXACTLY)


@pytest.mark.parametrize(
    "name",
    ["MAML", "MAML, rates per step", "MAML, rematerialised", "FOMAML", "ANIL", "Reptile",
     "Fine-tuning, linear", "Pretrained regression"],
)  # fmt: skip
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_replay_is_exact_for_every_inner_optimizer(name: str, optimizer: str) -> None:
    case = CASES[name]
    learner = case.build(optimizer=OPTIMIZERS[optimizer], train_steps=4)
    episode = case.episode()
    path = run(learner, episode)
    assert (optimizer == "sgd") == (not any(k.startswith("optimizer.") for k in path[2].values))
    with torch.no_grad():
        again = list(adapt(learner, episode, start=path[2]))
    assert_same_paths(again, path[2:], **EXACTLY)
    # In grad mode too, where the branch shares the graph that leads to it.
    path = list(adapt(learner, episode))
    again = list(adapt(learner, episode, start=path[2]))
    assert_same_paths(again, path[2:], **EXACTLY)
    parameters = [p for p in learner.parameters() if p.requires_grad]
    whole, branch = (
        torch.autograd.grad(
            Learner.meta_loss(learner, values, episode).mean(),
            parameters,
            retain_graph=True,
            allow_unused=True,
        )
        for values in (path, again)
    )
    for expected, found in zip(whole, branch, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@cases_with_a_rate
def test_an_inner_rate_of_0_is_the_identity(case: Case) -> None:
    learner, episode = case.build(inner_rate=0.0).eval(), case.episode()
    start, *path = run(learner, episode)
    assert path
    for adapted in path:
        assert_same(weights_of(adapted.values), weights_of(start.values), **EXACTLY)
        # Else the rates that the learner inside adapts by are set anew at a step, so that weights
        # which stay the same are read by others, and rightly predict otherwise.
        if not case.reads_anew:
            assert torch.equal(predict(learner, adapted, episode), predict(learner, start, episode))


# ---- graphs and gradients --------------------------------------------------------------------


@every_case
def test_a_graph_is_built_in_grad_mode_only(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    for adapted in run(learner, episode):
        tensors = [*adapted.values.values(), *adapted.seen.values()]
        assert not any(t.requires_grad for t in tensors)
        assert not predict(learner, adapted, episode).requires_grad
    path = list(adapt(learner, episode))
    assert learner.predict(path[-1], *inputs(episode)).requires_grad
    for adapted in path[1:]:
        # A new head over a frozen body depends on no meta-parameter: there is no graph to build.
        assert isinstance(learner, FineTuning) or any(
            t.requires_grad for t in adapted.values.values()
        )
        numbers = [*adapted.detach().values.values(), *adapted.detach().seen.values()]
        assert not any(t.requires_grad for t in numbers)


@trained_or_not
def test_values_do_not_depend_on_the_grad_mode(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    with_graph = [adapted.detach() for adapted in adapt(learner, episode)]
    assert_same_paths(with_graph, run(learner, episode), rtol=1e-12, atol=1e-13)


def held_loss(
    case: Case, learner: Learner, episode: Episode
) -> Callable[[dict[str, Tensor]], Tensor]:
    """The mean meta-loss as a function of the parameters; what the method declares constant is
    held at its present value, so that central differences judge exactly what is differentiated.
    """
    if case.oracle == "first order":  # the way that the weights went
        start, *_, end = (weights_of(a.values) for a in run(learner, episode))
        moves = {name: end[name] - start[name] for name in start}

        def of_moved(parameters: dict[str, Tensor]) -> Tensor:
            values = {f"weights.{n}": parameters[f"model.{n}"] + move for n, move in moves.items()}
            with torch.no_grad():
                prediction = learner.predict(Adapted(values), episode.query.x)
            return episode.loss(prediction, episode.query).mean()

        return of_moved
    if case.oracle == "actor-critic":  # advantages and the value's targets
        settings = learner.settings

        def observed(name: str) -> Tensor:
            return torch.stack([a.seen[name] for a in run(learner, episode)[1:]], dim=1)

        value = observed("value")
        advantage = advantages(observed("reward"), value, settings.discount, settings.trace)
        target = advantage + value

        def of_trial(parameters: dict[str, Tensor]) -> Tensor:
            before = cloned(dict(learner.named_parameters()))
            learner.load_state_dict(parameters)
            chances = torch.distributions.Categorical(logits=observed("out"))
            terms = (
                -chances.log_prob(observed("action")) * advantage
                + settings.value_weight * (observed("value") - target).square()
                - settings.entropy_weight * chances.entropy()
            )
            learner.load_state_dict(before)
            return terms.mean()

        return of_trial

    def of_parameters(parameters: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            return functional_call(learner, parameters, (episode,)).mean()

    return of_parameters


@pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.oracle != "by hand"],
    ids=[name for name, case in CASES.items() if case.oracle != "by hand"],
)
def test_every_meta_parameter_has_the_gradient_that_central_differences_find(case: Case) -> None:
    learner, episode, step = case.build(), case.episode(), 1e-6
    gradients = learner.meta_gradient(episode).gradients
    loss = held_loss(case, learner, episode)
    parameters = cloned(dict(trainable(learner)))  # but for what the method has frozen
    assert list(gradients) == list(parameters)
    for name, gradient in gradients.items():
        if name.endswith(case.idle or "-"):
            assert gradient.norm() < 1e-12, f"{name} was declared idle"
            continue
        assert gradient.norm() > 1e-10, f"{name} has no gradient"
        direction = torch.randn_like(gradient)
        direction = direction / direction.norm()

        def moved(by: float, name: str = name, direction: Tensor = direction) -> float:
            return loss({**parameters, name: parameters[name] + by * direction}).item()

        slope = (moved(step) - moved(-step)) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-8), name


@every_case
def test_losses_of_the_meta_gradient_are_those_of_the_tasks(case: Case) -> None:
    learner, episode = case.build(), case.episode()
    losses = learner.meta_gradient(episode).losses
    assert losses.shape == (len(episode),)
    assert not losses.requires_grad
    if case.oracle != "by hand":
        torch.testing.assert_close(losses, learner(episode).detach(), **EXACTLY)


@pytest.mark.parametrize(
    "name",
    ["Fine-tuning, linear", "Matching, full context", "MANN", "MetaNet", "Prototypical",
     "RL², GRU", "SNAIL", "SNAIL, trials"],
)  # fmt: skip
def test_the_meta_gradient_can_be_traced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiled path rests on: the traced graph gives what the eager text gives."""
    from torch.fx.experimental.proxy_tensor import make_fx

    def traced(function: Callable, tensors: list[Tensor]) -> Callable:
        return make_fx(lambda *t: function(t))(*[t.detach() for t in tensors])

    monkeypatch.setattr(compiled, "_refusal", lambda: None)
    monkeypatch.setattr(compiled, "_compile", traced)
    case = CASES[name]
    learner, one, other = case.build(), case.episode()[:2], case.episode()[1:]
    found = MetaGradients(learner, compiled="on")
    found(one)
    assert found.path == "compiled", found.note
    again, expected = found(other), learner.meta_gradient(other)  # nothing of `one` is built in
    torch.testing.assert_close(again.losses, expected.losses, **CLOSELY)
    assert_same(again.gradients, expected.gradients, **CLOSELY)


@every_case
def test_a_learner_works_in_the_precision_of_its_parameters(case: Case) -> None:
    torch.set_default_dtype(torch.float32)
    learner, double = case.build(), case.episode()
    for dtype in (torch.float32, torch.float64):
        learner, episode = learner.to(dtype).eval(), double.to(dtype=dtype)
        path = run(learner, episode)
        tensors = [t for a in path for t in (*a.values.values(), *a.seen.values())]
        tensors += [predict(learner, adapted, episode) for adapted in path]
        tensors += [*learner.train().meta_gradient(episode).gradients.values()]
        assert {t.dtype for t in tensors if t.is_floating_point()} == {dtype}


# ---- batches of tasks ------------------------------------------------------------------------


@every_case
def test_stacked_equals_one_task_at_a_time(case: Case) -> None:
    learner, episode = case.build(), case.episode()
    together = learner.meta_gradient(episode)
    alone = [learner.meta_gradient(one) for one in episode.split(1)]
    torch.testing.assert_close(together.losses, torch.cat([a.losses for a in alone]), **CLOSELY)
    mean = {n: sum(a.gradients[n] for a in alone) / len(alone) for n in together.gradients}
    assert_same(together.gradients, mean, **CLOSELY)


@trained_or_not
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_slice_of_an_episode_gives_the_slice_of_the_whole(case: Case, training: bool) -> None:
    learner, episode = case.build().train(training), case.episode()
    part = slice(1, 3)

    def sliced(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: t[part] for name, t in tensors.items()}

    whole = run(learner, episode)
    expected = [Adapted(sliced(a.values), sliced(a.seen), a.step) for a in whole]
    found = run(learner, episode[part])
    assert_same_paths(found, expected, **CLOSELY)
    torch.testing.assert_close(
        predict(learner, found[-1], episode[part]),
        predict(learner, whole[-1], episode)[part],
        **CLOSELY,
    )


@every_case
@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_and_threads_equal_the_whole(case: Case, threads: int) -> None:
    learner, episode = case.build(), case.episode()
    whole = learner.meta_gradient(episode)
    parts = MetaGradients(learner, compiled="off", tasks_per_chunk=2, threads=threads)
    found, again = parts(episode), parts(episode)
    torch.testing.assert_close(found.losses, whole.losses, rtol=1e-12, atol=1e-12)
    assert_same(found.gradients, whole.gradients, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.losses, again.losses)
    assert_same(found.gradients, again.gradients, **EXACTLY)


@trained_or_not
def test_the_order_of_the_queries_does_not_matter(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    x, _ = inputs(episode)
    order = torch.randperm(x.shape[1])
    for inductive in (False, True):
        learner.inductive = inductive
        for adapted in run(learner, episode):
            expected = predict(learner, adapted, episode)[:, order]
            torch.testing.assert_close(learner.predict(adapted, x[:, order]), expected, **CLOSELY)


@trained_or_not
def test_inductively_a_query_alone_gives_what_it_gives_in_a_batch(case: Case) -> None:
    learner, episode = case.build().eval(), case.episode()
    learner.inductive = True
    x, _ = inputs(episode)
    for adapted in run(learner, episode):
        together = predict(learner, adapted, episode)
        for i in range(x.shape[1]):
            alone = learner.predict(adapted, x[:, i : i + 1])
            torch.testing.assert_close(alone, together[:, i : i + 1], **CLOSELY)


# ---- a learner that nothing was said of ------------------------------------------------------


def test_the_table_holds_every_learner() -> None:
    import workbench.algorithms as algorithms

    shown = {type(case.build()) for case in [*CASES.values(), *BASELINES.values()]}
    public = {
        value
        for value in vars(algorithms).values()
        if isinstance(value, type) and issubclass(value, Learner) and value is not Learner
    }
    assert public == shown
