"""The one number of 'is this really second order?', the same wherever it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings, adapt
from workbench.answers import SECOND_ORDER, second_order, second_order_part
from workbench.cli.inspect import record
from workbench.figures import draw
from workbench.inspection import KINDS, anatomy, anatomy_frame
from workbench.models import MLP
from workbench.session.showing import Showing
from workbench.tasks import open_tasks
from workbench.widgets import Session

ROOT = Path(__file__).parent.parent
MARK = r"<!-- second-order part of ([\w/-]+) -->(.*?)<!-- end -->"


def episode_and_path(count: int):
    torch.manual_seed(0)
    learner = MAML(MLP(1, 1, hidden=(8,)).double(), MAMLSettings(inner_rate=0.1))
    episode = open_tasks("sinusoid").sample(count, seed=0).to(dtype=torch.float64)
    return learner, episode, list(adapt(learner, episode, steps=3))


def test_it_is_the_relative_error_of_first_order():
    learner, episode, path = episode_and_path(5)
    frame = anatomy_frame(learner, episode, path)
    parts = anatomy(learner, episode, path)
    whole, first = (
        torch.cat([t.flatten() for t in p.values()]) for p in (parts.full, parts.first_order)
    )
    expected = float((whole - first).norm() / whole.norm())
    assert second_order_part(frame)[0] == pytest.approx(expected, rel=1e-9)
    row = frame[(frame["layer"] == "all") & (frame["term"] == "second order")].iloc[0]
    assert row["size"] == pytest.approx(expected, rel=1e-9)
    assert row["share"] != pytest.approx(expected, rel=0.01)  # the projection is another number


def test_its_interval_is_the_jackknife_over_tasks():
    learner, episode, path = episode_and_path(5)
    frame = anatomy_frame(learner, episode, path)
    left = []
    for task in range(5):
        others = [i for i in range(5) if i != task]
        kept = episode.with_tensors({n: t[others] for n, t in episode.tensors().items()})
        some = anatomy_frame(learner, kept, list(adapt(learner, kept, steps=3)))
        left.append(second_order_part(some)[0])
    half = 2.776445 * np.sqrt(4 / 5 * np.square(np.array(left) - np.mean(left)).sum())
    assert second_order_part(frame)[1] == pytest.approx(half, rel=1e-5)
    alone = anatomy_frame(*episode_and_path(1))
    assert np.isnan(second_order_part(alone)[1])
    assert "interval" not in second_order(alone)


def test_headline_table_figure_and_definition_agree():
    session = Session("sinusoid-maml", seed=14, count=8)
    frame = session.frame("anatomy")
    said = second_order(frame)
    assert said in draw("anatomy", frame).alt_text
    titles = [axes.get_title(loc="left") for axes in draw("anatomy", frame).axes]
    assert said in titles
    row = frame[(frame["layer"] == "all") & (frame["term"] == "second order")].iloc[0]
    percent = float(re.search(r"part ([\d.]+)", said)[1])
    assert percent == pytest.approx(100 * row["size"], abs=0.5)
    assert SECOND_ORDER in KINDS["anatomy"].columns["size"]
    assert Showing(session).about()["definitions"]["second-order part"] == SECOND_ORDER
    cells = json.loads((ROOT / "notebooks/04-gradients.ipynb").read_text())["cells"]
    text = ["".join(cell["source"]) for cell in cells]
    (asked,) = [i for i, t in enumerate(text) if "Is this really second order?" in t]
    assert SECOND_ORDER in " ".join(text[asked].split())
    assert "second_order(anatomy)" in text[asked + 1]


def test_the_readme_gives_the_number_of_the_run_that_it_names():
    found = re.findall(MARK, (ROOT / "README.md").read_text(encoding="utf-8"))
    if not found:
        pytest.skip("README.md has no mark '<!-- second-order part of RUN --> … <!-- end -->'")
    for run, text in found:
        frame = record(Path(run), 4, "test", None, None, "best").frame("anatomy")
        assert text.strip() in second_order(frame)
