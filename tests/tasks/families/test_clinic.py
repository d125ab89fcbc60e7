"""The generated clinic: its noisy-or by hand, new diseases that are new, the same everywhere."""

from __future__ import annotations

import hashlib

import torch

from workbench.tasks import Shape, open_tasks
from workbench.tasks.families.clinic import (
    COLUMNS,
    PATIENTS,
    SYSTEMS,
    clinic_bank,
    patients,
    world,
)


def test_signs_follow_from_diseases_by_noisy_or() -> None:
    of = world()
    present = torch.zeros(1, len(of.rate))
    present[0, [3, 20]] = 1.0
    by_hand = 1 - (1 - of.leak) * (1 - of.strength[3]) * (1 - of.strength[20])
    torch.testing.assert_close(of.chances(present)[0], by_hand)
    assert float(of.strength.max()) < 1
    assert 0.01 <= float(of.rate.min()) < float(of.rate.max()) <= 0.2


def test_who_has_a_disease_shows_its_signs_and_laboratory_value() -> None:
    of, found, expected = world(), [], []
    signs = [k for k, column in enumerate(COLUMNS) if column.choices == ("no", "yes")]
    for disease in range(0, len(of.rate), 5):
        rows, ill = patients(disease)
        found.append(rows[ill][:, signs].mean(dim=0))
        alone = torch.zeros(1, len(of.rate))
        alone[0, disease] = 1.0
        expected.append(of.chances(alone)[0])
    apart = torch.stack(found) - torch.stack(expected)
    assert -0.02 < float(apart.mean()) < 0.06  # a little above: common diseases beside it
    correlation = torch.corrcoef(
        torch.stack([torch.stack(found).flatten(), torch.stack(expected).flatten()])
    )
    assert float(correlation[0, 1]) > 0.9


def test_a_tested_disease_is_new() -> None:
    tasks = open_tasks("clinic")
    bank = clinic_bank()
    diseases = {
        split: {bank.groups[row] for row in part.classes.tolist()}
        for split, part in tasks.splits.items()  # type: ignore[attr-defined]
    }
    assert [len(diseases[split]) for split in ("train", "validation", "test")] == [64, 16, 32]
    assert not diseases["train"] & diseases["test"]
    # and nobody has it in the place of another: rates of own signs differ by who is asked
    assert int(bank.counts.view(-1, 2).sum(1).unique()) == PATIENTS
    assert int(bank.counts.min()) >= 15


def test_which_of_several_diseases() -> None:
    tasks = open_tasks("clinic:which")
    episode = tasks.sample(20, seed=0, split="test", shape=Shape(5, 3, 5))
    names = episode.info["class_names"]
    assert all(name.endswith("/present") for name in names)
    assert len({name.split()[0] for name in names}) == len(SYSTEMS)
    assert episode.info["notice"] == tasks.notice != ""


def test_the_clinic_is_the_same_on_every_machine() -> None:
    x = (1000 * clinic_bank().x.double()).round().to(torch.int64)  # whatever the last bit is
    digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()
    assert digest[:16] == "b10920671e23c95c"
