"""Agreement, curvature, landscape, influence, memory, certificate: against other ways to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian

from tests.algorithms.cases import CASES, clouds, sines
from workbench.algorithms import MAML, MAMLSettings, adapt, last
from workbench.errors import UserError
from workbench.inspection import (
    KINDS,
    Tape,
    agreement_frame,
    certificate_frame,
    compute,
    curvature_frame,
    embedding_frame,
    influence_frame,
    landscape_frame,
    memory_frame,
    signal_frame,
    task_gradients,
)
from workbench.models import MLP
from workbench.tasks import Episode, Examples


def recorded(name, **changes):
    case = CASES[name]
    learner, episode = case.build(**changes).double(), case.episode()
    return learner, episode, Tape.record(learner, episode)


def flat(gradients):
    return torch.cat([g.flatten() for g in gradients.values()])


def test_agreement_between_tasks_is_the_cosine_of_their_meta_gradients():
    learner, episode, tape = recorded("MAML")
    vectors = [flat(learner.meta_gradient(episode[i : i + 1]).gradients) for i in range(3)]
    frame = agreement_frame(learner, episode, tape)
    tasks = frame[(frame["between"] == "tasks") & (frame["layer"] == "all")]
    for row in tasks.itertuples():
        expected = torch.cosine_similarity(vectors[row.first], vectors[row.second], dim=0)
        assert row.cosine == pytest.approx(float(expected), rel=1e-10)
    assert tasks[["first", "second"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2]]
    summary = signal_frame(learner, episode, tape)
    row = summary[(summary["between"] == "tasks") & (summary["layer"] == "all")].iloc[0]
    stacked = torch.stack(vectors)
    noise = stacked.var(dim=0).sum().sqrt()
    assert row["signal"] == pytest.approx(float(stacked.mean(dim=0).norm()))
    assert row["noise"] == pytest.approx(float(noise))
    assert row["ratio"] == pytest.approx(row["signal"] / row["noise"])
    assert row["conflict"] == pytest.approx((tasks["cosine"] < 0).mean())


@pytest.mark.parametrize("name", ["MAML", "MAML, classes"])
def test_shot_gradients_average_to_what_the_first_step_descends(name):
    from workbench.inspection import shot_gradients

    learner, episode, tape = recorded(name)
    shots = shot_gradients(learner, episode, tape[0], task=1)
    assert len(shots) == episode.support.y.shape[1]
    for key in shots[0]:
        mean = torch.stack([g[key] for g in shots]).mean(dim=0)[0]
        torch.testing.assert_close(mean, tape[1].seen[f"gradient.{key}"][1])


def test_a_memory_method_has_agreement_between_tasks_only():
    learner, episode, tape = recorded("Prototypical")
    assert set(agreement_frame(learner, episode, tape)["between"]) == {"tasks"}
    assert len(task_gradients(learner, episode)) == 3
    with pytest.raises(UserError, match="at least two gradients"):
        agreement_frame(learner, episode[:1], tape)


def test_curvature_is_the_spectrum_of_the_whole_hessian():
    torch.manual_seed(0)
    model = MLP(1, 1, hidden=(3,), activation="tanh").double()
    learner, episode = MAML(model, MAMLSettings(inner_rate=0.05)), sines(2)
    tape = Tape.record(learner, episode, steps=2)
    frame = curvature_frame(learner, episode, tape, count=4, iterations=99)
    for step, task in ((0, 0), (2, 1)):
        w = {n.removeprefix("weights."): t[task] for n, t in tape[step].values.items()}
        sizes = [t.numel() for t in w.values()]

        def loss(vector, examples, task=task, w=w, sizes=sizes):
            pieces = vector.split(sizes)
            named = {n: p.view_as(t) for (n, t), p in zip(w.items(), pieces, strict=True)}
            out = functional_call(model, named, (examples.x[task],))
            return (out - examples.y[task]).square().mean()

        for part in ("support", "query"):
            whole = hessian(loss)(flat(w), getattr(episode, part))
            expected = torch.linalg.eigvalsh(whole).flip(0)[:4]
            rows = frame.query("task == @task and step == @step and part == @part")
            np.testing.assert_allclose(rows["eigenvalue"], expected, rtol=1e-6, atol=1e-9)


def test_few_lanczos_iterations_find_the_largest_eigenvalue():
    learner, episode, tape = recorded("MAML")
    few = curvature_frame(learner, episode, tape, count=1, iterations=15, steps=[0])
    many = curvature_frame(learner, episode, tape, count=1, iterations=99, steps=[0])
    np.testing.assert_allclose(few["eigenvalue"], many["eigenvalue"], rtol=1e-6)


def test_landscape_says_the_loss_at_its_places():
    torch.manual_seed(0)
    learner = MAML(nn.Linear(4, 1, bias=False), MAMLSettings(inner_rate=0.05)).double()
    x = torch.randn(2, 9, 4, dtype=torch.float64)
    y = x.sum(dim=-1, keepdim=True)
    support, query = Examples(x[:, :6], y[:, :6]), Examples(x[:, 6:], y[:, 6:])
    episode = Episode(support, query, torch.arange(2))
    tape = Tape.record(learner, episode, steps=5)
    frame = landscape_frame(learner, episode, tape, task=1, size=5)
    path = torch.stack([a.values["weights.weight"][1, 0] for a in tape])
    middle = path.mean(dim=0)
    lengths, directions = torch.linalg.svd(path - middle)[1:]
    share = lengths.square() / lengths.square().sum()
    assert frame["explained_x"].iloc[0] == pytest.approx(float(share[0]))
    assert frame["explained_y"].iloc[0] == pytest.approx(float(share[1]))
    for row in frame[frame["kind"] == "grid"].itertuples():
        w = middle + row.x * directions[0] + row.y * directions[1]
        examples = getattr(episode, row.part)
        expected = (examples.x[1] @ w - examples.y[1, :, 0]).square().mean()
        assert row.loss == pytest.approx(float(expected), rel=1e-9)
    ends = frame[(frame["kind"] == "path") & (frame["part"] == "query")]
    expected = [float(episode.loss(learner.predict(a, query.x), query)[1]) for a in tape]
    np.testing.assert_allclose(ends["loss"], expected, rtol=1e-12)
    grid = frame[frame["kind"] == "grid"]
    for axis in ("x", "y"):  # the path lies inside
        assert grid[axis].min() < ends[axis].min()
        assert grid[axis].max() > ends[axis].max()


def test_the_landscape_of_a_single_step():
    learner, episode, _ = recorded("MAML, classes")
    frame = landscape_frame(learner, episode, Tape.record(learner, episode, steps=1), size=3)
    assert frame["explained_x"].iloc[0] == pytest.approx(1.0)
    assert frame["explained_y"].iloc[0] == 0.0
    assert np.isfinite(frame["loss"]).all()
    assert frame[frame["kind"] == "grid"]["y"].nunique() == 3


@pytest.mark.parametrize("name", ["MAML", "MAML, classes", "Prototypical", "Matching"])
def test_influence_is_what_leaving_an_example_out_does(name):
    learner, episode, tape = recorded(name)
    frame = influence_frame(learner, episode, tape, task=1)
    one = episode[1:2]
    assert len(frame) == episode.support.y.shape[1]
    with torch.no_grad():
        for row in frame.itertuples():
            kept = [k for k in range(len(frame)) if k != row.example]
            fewer = Examples(one.support.x[:, kept], one.support.y[:, kept])
            less = Episode(fewer, one.query, one.seed, one.ways, one.info)
            final = last(adapt(learner, less))
            expected = float(one.loss(learner.predict(final, one.query.x), one.query))
            assert row.without == pytest.approx(expected, rel=1e-9)
            assert row.influence == pytest.approx(row.without - row.loss)
    assert set(influence_frame(learner, episode, tape)["task"]) == {0, 1, 2}


@pytest.mark.parametrize("name", ["Matching", "Matching, full context", "MetaNet"])
def test_attention_is_what_the_learner_reads(name):
    learner, episode, tape = recorded(name)
    frame = memory_frame(learner, episode, tape, task=2)
    table = frame.pivot(index="query", columns="entry", values="value").to_numpy()
    np.testing.assert_allclose(table, learner.read(tape[-1], episode.query.x)[2].detach())
    np.testing.assert_allclose(frame.groupby("query")["value"].sum(), 1.0)
    assert frame["class"].tolist()[:6] == episode.support.y[2].tolist()


def test_distances_to_prototypes_order_the_predictions():
    learner, episode, tape = recorded("Prototypical")
    frame = memory_frame(learner, episode, tape)
    table = frame.pivot(index="query", columns="entry", values="value").to_numpy()
    logits = learner.predict(tape[-1], episode.query.x)[0].detach()
    np.testing.assert_allclose(-table, logits, rtol=1e-10)
    with pytest.raises(UserError, match="empty before the first step"):
        memory_frame(learner, episode, tape[:1])
    with pytest.raises(UserError, match="no memory that queries read"):
        memory_frame(*recorded("MAML, classes"))


def test_embeddings_on_two_principal_directions():
    learner, episode, tape = recorded("Prototypical")
    frame = embedding_frame(learner, episode, tape)
    features = learner.embed(tape[-1], episode.query.x)[0].detach()
    rows = frame[frame["part"] == "query"]
    both = torch.cat([learner.embed(tape[-1], episode.support.x)[0].detach(), features])
    scores = (both - both.mean(dim=0)) @ torch.linalg.svd(both - both.mean(dim=0))[2][:2].T
    found = np.abs(rows[["x", "y"]].to_numpy())
    np.testing.assert_allclose(found, scores[-len(rows) :].abs(), rtol=1e-8, atol=1e-10)
    assert 0 < frame["explained_y"].iloc[0] <= frame["explained_x"].iloc[0] <= 1
    moving = embedding_frame(*recorded("MAML, classes"))
    assert moving["step"].nunique() == 4
    with pytest.raises(UserError, match="finds no embedding"):
        embedding_frame(*recorded("MAML, own module"))


def test_the_certificate_tells_exact_from_first_order():
    learner, episode, tape = recorded("MAML")
    before = {n: p.detach().clone() for n, p in learner.named_parameters()}
    assert (certificate_frame(learner, episode, tape)["error"] < 1e-6).all()
    first = recorded("FOMAML")
    assert certificate_frame(*first)["error"].max() > 1e-3
    assert all(torch.equal(p, before[n]) for n, p in learner.named_parameters())


@pytest.mark.parametrize("name", [n for n in CASES if "Conv4" not in n and "augmented" not in n])
def test_every_kind_on_every_method_gives_numbers_or_a_sentence(name):
    learner, episode, tape = recorded(name)
    given = []
    for kind in KINDS:
        try:
            frame = compute(kind, learner, episode, tape)
        except UserError:
            continue
        assert len(frame)
        given.append(kind)
    assert "steps" in given


def test_padding_has_no_influence_and_is_not_read():
    learner, _, _ = recorded("Matching")
    episode = clouds()
    weight = torch.ones(3, 6, dtype=torch.float64)
    weight[:, 1] = 0
    support = Examples(episode.support.x, episode.support.y, weight)
    padded = Episode(support, episode.query, episode.seed, episode.ways, episode.info)
    tape = Tape.record(learner, padded)
    assert 1 not in set(influence_frame(learner, padded, tape)["example"])
    assert 1 not in set(memory_frame(learner, padded, tape)["entry"])
