"""One new thing is one new file: each part of CONTRIBUTING.md, taken from there through all uses.

From a folder of its own each is trained by the command line, killed in a child process and
resumed, evaluated, compared, stepped in a session, drawn, and listed in the panels. No file of the
package is touched.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kills import difference
from workbench.cli import main
from workbench.inspection import Tape
from workbench.session.drafts import Draft
from workbench.session.showing import Showing
from workbench.training import Run
from workbench.widgets import Session, TrainPanel

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
PARTS = {
    m[1]: block for block in BLOCKS if (m := re.match(r"# ((methods|tasks)/\w+\.py)\n", block))
}
RIDGE = f"""{BLOCKS[0]}

from dataclasses import replace

from workbench import Shape, preset

PRESETS = {{
    "digits-ridge": (
        "ridge regression on digits",
        replace(
            preset("digits-protonet"),
            learner=RidgeSettings(),
            train=Shape(ways=2, shots=5, queries=5),
        ),
    )
}}
"""
SMALL = ("--iterations", "150", "--training.tasks", "2", "--training.validation-tasks", "4")
SMALL += ("--training.compiled", "off", "--training.checkpoint-seconds", "0")

Walk = Callable[..., Session]


@pytest.fixture
def walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Walk:
    """Takes a preset, with flags, through all that a method is put to; the session at its end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def said(*arguments: str) -> str:
        capsys.readouterr()
        code = main(list(arguments))
        out, error = capsys.readouterr()
        assert code == 0, error
        return out

    def through(preset: str, *flags: str) -> Session:
        _forget()
        line = ["train", preset, *SMALL, *flags]
        _kill_in_the_middle([*line, "--run", "runs/killed"])
        said("train", "--run", "runs/killed", "--resume")  # of its record, by hash
        said(*line, "--run", "runs/whole")
        assert difference(Run.open("runs/whole"), Run.open("runs/killed")) == ""

        found = json.loads(said("evaluate", "runs/whole", "--episodes", "4", "--json"))
        assert found["episodes"] == 4
        both = ("runs/whole", "runs/killed")
        compared = json.loads(said("compare", *both, "--episodes", "4", "--json"))
        assert compared["metric"] == found["metric"]
        said("inspect", "runs/whole", "steps", "--episodes", "2", "--out", "steps.png")
        assert Path("steps.png").stat().st_size > 1000
        said("trace", "runs/whole", "--episodes", "2", "--out", "one.metatrace")
        assert "steps" in Tape.load("one.metatrace").frames

        panel = TrainPanel()
        assert preset in [one["name"] for one in panel.about["presets"]]
        panel.close()
        session = Session("runs/whole", count=2)
        steps = session.tape.steps
        session.vary(steps=steps - 1)
        session.extend(1)
        assert session.tape.steps == steps > 0
        assert set(session.frame("steps")["task"]) == {0, 1}
        return session

    yield through
    _forget()


def _forget() -> None:
    """Let own files be found anew, as by another process."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("methods", "tasks")]:
        del sys.modules[name]


def _kill_in_the_middle(line: list[str]) -> None:
    """Train in a child process and kill it once it has kept a checkpoint."""
    root = str(Path(__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-m", "workbench.cli", *line],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    kept, until = Path("runs/killed/checkpoints/latest.safetensors"), time.monotonic() + 60
    while not kept.exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    _, error = child.communicate()
    assert child.returncode == -signal.SIGKILL, error.decode()
    assert Run.open("runs/killed").status().state == "killed"


def _write(name: str, text: str = "") -> None:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text or PARTS[name])


def _tasks_listed(session: Session) -> list[str | int]:
    (tasks,) = [c for c in Showing(session).about()["forms"]["sampling"] if c["name"] == "tasks"]
    return list(tasks["choices"] or [])


def test_a_method(walk: Walk) -> None:
    _write("methods/ridge.py", RIDGE)
    assert walk("digits-ridge").tape.learner_name == "Ridge"


def test_an_update_rule(walk: Walk) -> None:
    _write("methods/signs.py")
    session = walk("sinusoid-signs", "--learner.optimizer.size", "0.5")
    learned = dict(session.sources["runs/whole"].learner.named_parameters())
    size = next(value for name, value in learned.items() if name.endswith("size"))
    assert size.item() != 0.5


def test_an_estimator(walk: Walk) -> None:
    _write("methods/even.py")
    walk("sinusoid-even", "--estimator.length", "0.1")
    assert Run.open("runs/whole").experiment.to_record()["estimator"] == {
        "type": "methods.even:Even",
        "length": 0.1,
    }


def test_a_family_of_tasks(walk: Walk, capsys: pytest.CaptureFixture[str]) -> None:
    _write("tasks/lines.py")
    session = walk("sinusoid-maml", "--tasks", "lines")
    assert "lines:origin" in _tasks_listed(session)
    form = {control["name"]: control for control in Draft("sinusoid-maml").form()}
    assert "lines:origin" in form["tasks"]["choices"]
    session.sample(tasks="lines:origin", shots=3)
    assert session.episode.support.x.shape == (2, 3, 1)
    assert main(["data", "list"]) == 0
    assert "lines:origin: lines through the origin" in capsys.readouterr().out
    kept = json.loads(Path("runs/whole/methods.json").read_text())
    assert kept["tasks.lines"]["text"] == PARTS["tasks/lines.py"]


def test_an_objective_with_a_metric(walk: Walk, capsys: pytest.CaptureFixture[str]) -> None:
    _write("tasks/ranked.py")
    session = walk("sinusoid-maml", "--tasks", "ranked:sinusoid")
    assert "pairs" in session.frame("steps").columns
    assert main(["evaluate", "runs/whole", "--episodes", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "pairs"


def test_an_environment(walk: Walk) -> None:
    _write("tasks/corridor.py")
    shape = ("--train.ways", "2", "--test.ways", "2", "--train.shots", "4", "--test.shots", "6")
    session = walk("bandit-rl2", "--tasks", "corridor", "--model.hidden", "8", *shape)
    assert "corridor:ends" in _tasks_listed(session)
    assert len(session.frame("pulls")) > 0


def test_an_inspection_with_a_figure(walk: Walk) -> None:
    _write("methods/lengths.py")
    session = walk("sinusoid-lengths")
    assert session.frame("lengths")["step"].tolist() == list(range(session.tape.steps + 1))
    assert "lengths" in Showing(session).about()["kinds"]
    arguments = ("inspect", "runs/whole", "lengths", "--episodes", "2")
    assert main([*arguments, "--out", "lengths.svg"]) == 0
    assert b"How long the weights are" in Path("lengths.svg").read_bytes()


def test_parts_of_several_files_in_one_preset(walk: Walk) -> None:
    _write("tasks/ranked.py")
    _write("methods/signs.py")
    _write("methods/even.py")
    _write("methods/all.py", ALL)
    session = walk("all")
    assert {"pairs"} <= set(session.frame("steps").columns)
    kept = json.loads(Path("runs/whole/methods.json").read_text())
    assert set(kept) == {"methods.signs", "methods.even", "tasks.ranked"}


ALL = """
from dataclasses import replace

from methods.even import Even
from methods.signs import BY_SIGNS

PRESETS = {"all": ("all of them", replace(BY_SIGNS, tasks="ranked", estimator=Even()))}
"""
