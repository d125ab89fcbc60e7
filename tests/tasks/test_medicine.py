"""Diagnosis: what it is judged by, held against scikit-learn, and how patients are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from workbench.errors import UserError
from workbench.tasks import Examples, Shape, open_tasks
from workbench.tasks.medicine import (
    Diagnosis,
    Patients,
    auroc,
    calibration_error,
    sensitivity,
)


def drawn(seed: int, ties: bool) -> tuple[torch.Tensor, Examples]:
    """Five tasks of forty patients, of whom seven only pad."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 40, 2, generator=generator, dtype=torch.float64)
    if ties:
        logits = (2 * logits).round()
    y = (torch.rand(5, 40, generator=generator) < 0.4).long()
    y[:, 0], y[:, 1] = 0, 1
    weight = torch.ones(5, 40, dtype=torch.float64)
    weight[:, 33:] = 0.0
    return logits, Examples(torch.zeros(5, 40, 1), y, weight)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_metrics_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    logits, examples = drawn(seed, ties)
    chance = logits.softmax(dim=-1)[..., 1]
    for task in range(5):
        y, score = examples.y[task, :33].numpy(), (logits[task, :33, 1] - logits[task, :33, 0])
        area = roc_auc_score(y, score.numpy())
        assert float(auroc(logits, examples)[task]) == pytest.approx(area)
        false, true, _ = roc_curve(y, score.numpy(), drop_intermediate=False)
        best = true[false <= 0.1 + 1e-9].max()
        assert float(sensitivity(logits, examples)[task]) == pytest.approx(best)
        p, total = chance[task, :33].numpy(), 0.0
        for low in np.arange(10) / 10:
            own = (p >= low) & ((p < low + 0.1) | (low > 0.85))
            total += own.sum() * abs(p[own].mean() - y[own].mean()) if own.any() else 0.0
        assert float(calibration_error(logits, examples)[task]) == pytest.approx(total / 33)


def test_a_diagnosis_is_of_two_classes() -> None:
    examples = Examples(torch.zeros(1, 2, 1), torch.tensor([[0, 1]]))
    with pytest.raises(UserError, match="of 2 classes and the predictions are of 3: choose tasks"):
        auroc(torch.zeros(1, 2, 3), examples)
    assert [m.name for m in Diagnosis().metrics] == [
        *("auroc", "accuracy", "sensitivity", "calibration_error")
    ]


@pytest.fixture(scope="module")
def clinic() -> Patients:
    tasks = open_tasks("clinic")
    assert isinstance(tasks, Patients)
    return tasks


def test_patients_are_of_one_place_and_none_is_in_both_parts(clinic: Patients) -> None:
    episode = clinic.sample(60, seed=0, split="test", shape=Shape(2, 10, 40))
    found = episode.check()
    assert found.fewest == {"support": 10, "query": 40}
    for task in range(60):
        rows = torch.cat([episode.info[f"{p}_index"][task] for p in ("support", "query")])
        assert len(rows.unique()) == 50
        classes = torch.bucketize(rows, clinic.bank.counts.cumsum(0), right=True)
        assert len({clinic.bank.groups[c] for c in classes.tolist()}) == 1
        y = torch.cat([episode.support.y[task], episode.query.y[task]])
        assert torch.equal(classes % 2, y)
        assert torch.equal(clinic.bank.x[rows[:10]], episode.support.x[task])
    for part in (episode.support, episode.query):
        assert int(part.y.sum(1).min()) > 0  # each kind is there
        assert bool((part.y.sum(1) < part.y.shape[1]).all())
    assert len(episode.support.y.sum(1).unique()) > 3  # and otherwise as they come


def test_a_task_is_the_same_alone_and_among_others(clinic: Patients) -> None:
    many = clinic.sample(9, seed=4, shape=Shape(2, (5, 20), 10))
    few = clinic.sample(3, seed=4, shape=Shape(2, (5, 20), 10))
    assert few.sha256() == many[:3].sha256()
    weight = many.support.weight
    assert weight is not None
    assert 5 <= int(weight.sum(1).min()) < int(weight.sum(1).max()) <= 20
    assert not many.support.x[weight == 0].any()


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        (Shape(3, 5, 5), "ways is 3 and a disease is absent or present: ask for 2"),
        (Shape(2, 1, 5), "shots is 1 and must hold a patient of each kind"),
        (Shape(2, 5, 1), "queries is 1 and must hold"),
        (Shape(2, 100, 60), "need 160 patients but a place of clinic has only 150"),
    ],
)
def test_shapes_that_cannot_be_filled(clinic: Patients, shape: Shape, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        clinic.sample(1, seed=0, shape=shape)


def test_another_patient_of_the_same_kind_takes_a_place(clinic: Patients) -> None:
    from workbench.tasks import edited

    episode = clinic.sample(1, seed=0, shape=Shape(2, 5, 10))
    swap = {"what": "swap", "task": 0, "part": "support", "example": 0, "seed": 1}
    changed = edited(episode, [swap], clinic)
    row = int(changed.info["support_index"][0, 0])
    held = torch.cat([episode.info[f"{p}_index"][0] for p in ("support", "query")])
    assert row not in held.tolist()
    assert torch.equal(clinic.bank.x[row], changed.support.x[0, 0])
    assert torch.equal(changed.support.y, episode.support.y)
