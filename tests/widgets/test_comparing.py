"""ComparePanel: the numbers of `compare`, block by block, and its tasks opened bit for bit."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.errors import UserError
from workbench.training import compare, preset, run_of, train
from workbench.training.evaluation import DEFAULT_SEED, test_episodes
from workbench.widgets import comparing
from workbench.widgets.comparing import ComparePanel, frames_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one method and one of another, hardly trained."""
    folder = tmp_path_factory.mktemp("work")
    for name, method, seed in (("a0", "maml", 0), ("a1", "maml", 1), ("b", "metasgd", 0)):
        experiment = preset(f"sinusoid-{method}").stretched(30)
        learner = comparing.dataclasses.replace(experiment.learner, test_steps=10)
        experiment = comparing.dataclasses.replace(experiment, learner=learner, seed=seed)
        train(experiment, folder / "runs" / name, progress=False)
    return folder


@pytest.fixture(autouse=True)
def here(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)


@pytest.fixture
def make() -> Iterator[Callable[..., ComparePanel]]:
    made: list[ComparePanel] = []

    def make(*names: str, **settings: object) -> ComparePanel:
        made.append(ComparePanel(*names, **settings))
        return made[-1]

    yield make
    for panel in made:
        panel.close()
        if panel._worker is not None:
            panel._worker.join(30)


def finished(panel: ComparePanel) -> ComparePanel:
    assert panel._worker is not None
    panel._worker.join(60)
    assert not panel.working
    return panel


def answer(panel: ComparePanel, command: str, **args: object) -> dict:
    sent: list[dict] = []
    panel.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    panel.receive({"id": 1, "command": command, "args": args})
    return sent[-1]


def column(panel: ComparePanel, frame: str, name: str) -> np.ndarray:
    (found,) = [c for c in panel.frames[frame]["columns"] if c["name"] == name]
    return np.frombuffer(found["data"], {"number": "<f8", "integer": "<i4"}[found["type"]])


NAMES = ("runs/a0", "runs/a1", "runs/b")


def test_it_finds_what_compare_finds(make: Callable[..., ComparePanel]):
    panel = finished(make(*NAMES, episodes=120))
    expected = compare([run_of(name) for name in NAMES], episodes=120)
    groups = [group.to_record() for group in expected.groups]
    assert len(groups) == 2  # seeds are one group
    assert column(panel, "groups", "mean").tolist() == [g["mean"] for g in groups]
    assert column(panel, "groups", "ci95").tolist() == [g["ci95_tasks"] for g in groups]
    (pair,) = expected.pairs
    assert column(panel, "pairs", "difference").tolist() == [pair.difference]
    assert column(panel, "pairs", "wins").tolist() == [pair.wins]
    assert column(panel, "tasks", groups[0]["name"]).tolist() == (
        expected.groups[0].per_task.tolist()
    )
    assert panel.about["sha256"] == expected.episodes_sha256
    assert panel.about["measure"]["better"] == "lower"
    steps = frames_of(panel.result)["steps"]
    assert steps.groupby("method")["step"].max().tolist() == [10, 10]
    assert (steps["ci95"] > 0).all()
    assert panel.progress == {}


def test_it_shows_part_of_it_first_and_stops_when_asked(
    make: Callable[..., ComparePanel], monkeypatch: pytest.MonkeyPatch
):
    blocks, gate = threading.Semaphore(0), threading.Semaphore(0)
    whole = comparing.paired

    def slowly(*given: object) -> object:
        blocks.release()
        assert gate.acquire(timeout=30)
        return whole(*given)

    monkeypatch.setattr(comparing, "paired", slowly)
    panel = make(*NAMES, episodes=600)
    seen: list[tuple[int, dict]] = []
    panel.observe(lambda c: seen.append((panel.about.get("episodes", 0), c["new"])), "progress")
    gate.release()
    assert blocks.acquire(timeout=30)
    assert blocks.acquire(timeout=30)  # the first block is shown, the second is being computed
    assert panel.about["working"]
    assert seen[0][0] == 50
    assert seen[0][1]["done"] == 50
    assert seen[0][1]["left"] > 0
    panel.stop()
    gate.release()
    finished(panel)
    assert panel.about["episodes"] == 100
    assert not panel.about["working"]
    assert not panel.about["stale"]
    assert panel.progress == {}


def test_a_newer_comparison_is_not_overwritten_by_an_older(make: Callable[..., ComparePanel]):
    panel = make(*NAMES, episodes=2_000)
    older = panel._worker
    panel.vary(episodes=60)
    assert answer(panel, "compare")["result"] is None
    finished(panel)
    older.join(60)
    assert panel.about["episodes"] == 60


def test_what_cannot_be_compared_is_refused(make: Callable[..., ComparePanel]):
    panel = make("runs/a0")
    assert panel._worker is None
    assert "at least two runs" in answer(panel, "compare")["error"]
    assert "no run directory" in answer(panel, "choose", names=["runs/none"])["error"]
    panel.choose(["runs/a0", "runs/a0"])
    assert "named twice" in answer(panel, "compare")["error"]
    assert "at least 2" in answer(panel, "vary", episodes=1)["error"]
    with pytest.raises(UserError, match="no setting 'tasks'"):
        make("runs/a0", tasks=3)


def test_trouble_in_the_thread_is_shown(
    make: Callable[..., ComparePanel], monkeypatch: pytest.MonkeyPatch
):
    def failing(*given: object) -> object:
        raise UserError("the data has holes: mend them")

    monkeypatch.setattr(comparing, "paired", failing)
    panel = finished(make(*NAMES, episodes=60))
    assert panel.problem == {"text": "the data has holes: mend them"}
    assert not panel.about["working"]


def test_settings_that_changed_make_it_stale(make: Callable[..., ComparePanel]):
    panel = finished(make(*NAMES, episodes=60))
    assert not panel.about["stale"]
    panel.vary(seed=7)
    assert panel.about["stale"]
    panel.vary(seed=DEFAULT_SEED)
    assert not panel.about["stale"]


@pytest.mark.parametrize("task", [3, 57])
def test_a_task_opens_as_it_was_measured_bit_for_bit(make: Callable[..., ComparePanel], task: int):
    panel = make(*NAMES[:1])
    panel.vary(episodes=120)
    line = answer(panel, "pick", task=task)["result"]
    experiment = run_of(NAMES[0]).experiment
    blocks = test_episodes(experiment.open_tasks(), experiment.test, 120, "test", DEFAULT_SEED)
    measured = [block[i : i + 1] for block in blocks for i in range(len(block))][task]
    for opened in (panel.opened.shown.episode, _session(line).episode):
        assert opened.sha256() == measured.sha256()
    assert panel.about["stage"] == panel.opened.model_id
    assert "choose 0 to 119" in answer(panel, "pick", task=120)["error"]


def _session(lines: str) -> Any:
    space: dict = {}
    exec(lines.removesuffix("\nStage(session)"), space)
    return space["session"]


def test_a_task_opens_where_two_methods_differ_most(make: Callable[..., ComparePanel]):
    panel = finished(make(*NAMES, episodes=60))
    (pair,) = frames_of(panel.result)["pairs"].itertuples()
    lines = answer(panel, "pick", task=57, pair=0)["result"]
    assert lines.endswith("\nStage(session)")
    for opened in (panel.opened.shown, _session(lines)):
        assert [lane.parent for lane in opened.lanes] == [None, None]
        assert opened.cursor.lane == 0
        runs = {g.name: g.runs for g in panel.result.groups}
        assert opened.lanes[0].learner in runs[pair.first]
        assert opened.lanes[1].learner in runs[pair.second]
        query = [
            frame[frame["part"] == "query"].set_index("step")["mse"]
            for frame in (opened.frame("steps", lane, 0) for lane in (0, 1))
        ]
        apart = (query[0] - query[1]).abs()
        assert opened.cursor.step == apart.index[apart == apart.max()][-1]


def test_the_same_values_come_out_in_the_stage(make: Callable[..., ComparePanel]):
    panel = finished(make(*NAMES, episodes=60))
    panel.pick(57)
    steps = panel.opened.shown.frame("steps", task=0)
    query = steps[(steps["part"] == "query")]["mse"]
    evaluation = next(
        e
        for group in panel.result.groups
        for run, e in zip(group.runs, group.evaluations, strict=True)
        if run == NAMES[0]
    )
    torch.testing.assert_close(
        torch.tensor(query.to_numpy()), evaluation.values[57], rtol=1e-5, atol=1e-6
    )


def test_its_code_gives_the_same_frame(make: Callable[..., ComparePanel]):
    panel = finished(make(*NAMES, episodes=60, seed=5))
    space: dict = {}
    exec(panel.code(), space)
    assert isinstance(space["frame"], pd.DataFrame)
    assert space["comparison"].episodes_sha256 == panel.about["sha256"]
    assert space["comparison"].to_record() == panel.result.to_record()
    assert panel.about["shell"] == (
        "workbench compare runs/a0 runs/a1 runs/b --episodes 60 --seed 5"
    )


def test_a_sweep_is_all_its_units(make: Callable[..., ComparePanel]):
    record = {"units": {n: {"group": "one", "settings": {}} for n in ("a0", "a1")}}
    Path("runs/swept").mkdir()
    Path("runs/swept/sweep.json").write_text(json.dumps(record))
    for name in record["units"]:
        shutil.copytree(Path("runs") / name, Path("runs/swept") / name)
    panel = finished(make("runs/swept", episodes=10))
    assert panel.names == ["runs/swept/a0", "runs/swept/a1"]
    assert panel.result is not None
    assert [group.seeds for group in panel.result.groups] == [(0, 1)]
    answer(panel, "choose", names=["runs/b"])
    offered = {one["name"] for one in panel.about["known"]}
    assert "runs/swept" in offered
    answer(panel, "choose", names=["runs/b", "runs/swept"])
    assert panel.about["chosen"] == ["runs/b", "runs/swept/a0", "runs/swept/a1"]
    assert "runs/swept" not in {one["name"] for one in panel.about["known"]}
    shutil.rmtree("runs/swept")
