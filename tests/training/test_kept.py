"""A run keeps the files that its settings name, and needs no others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from workbench.algorithms import AttentionSettings, KnowledgeBase
from workbench.errors import UserError
from workbench.models import MLPSettings
from workbench.training import Experiment, Run, evaluate, preset, train


def attentive(base: Path) -> Experiment:
    experiment = preset("digits-protonet").stretched(4)
    training = dataclasses.replace(experiment.training, tasks=2, validate_every=0, compiled="off")
    return dataclasses.replace(
        experiment,
        model=MLPSettings(hidden=(16,)),
        learner=AttentionSettings(base=str(base), attention="gumbel"),
        training=training,
    )


@pytest.mark.parametrize("fate", ["gone", "changed", "larger"])
def test_a_run_does_not_need_the_knowledge_base_any_more(tmp_path: Path, fate: str) -> None:
    file = KnowledgeBase.from_features(torch.randn(9, 16)).save(tmp_path / "known")
    experiment = attentive(file)
    whole = train(experiment, tmp_path / "whole", progress=False)
    run = Run.create(experiment, tmp_path / "run")  # begun elsewhere, as the panel does
    before = evaluate(whole.learner, whole.tasks, experiment.test, episodes=4)
    if fate == "gone":
        file.unlink()
    else:
        KnowledgeBase.from_features(torch.randn(9 + (fate == "larger"), 16)).save(file)
    resumed = train(run=run, resume=True, progress=False)
    assert all(
        torch.equal(tensor, resumed.learner.state_dict()[name])
        for name, tensor in whole.learner.state_dict().items()
    )
    learner, tasks = Run.open(tmp_path / "whole").load()
    after = evaluate(learner, tasks, experiment.test, episodes=4)
    assert torch.equal(before.values, after.values)
    assert run.experiment == experiment  # under the name that was given


def test_a_copy_that_is_gone_is_said_and_not_replaced(tmp_path: Path) -> None:
    file = KnowledgeBase.from_features(torch.randn(9, 16)).save(tmp_path / "known")
    train(attentive(file), tmp_path / "run", progress=False)
    (tmp_path / "run" / "files" / "learner.base").unlink()
    with pytest.raises(UserError, match=r"no file .*run/files/learner\.base"):
        Run.open(tmp_path / "run").load()


def test_a_run_without_files_has_no_folder_for_them(tmp_path: Path) -> None:
    run = Run.create(preset("sinusoid-maml"), tmp_path / "run")
    assert not (run.directory / "files").exists()
