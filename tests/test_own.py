"""Files of one's own in `methods/` and `tasks/`: found by name, and run only as they were."""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.errors import UserError
from workbench.own import import_own
from workbench.tasks import names, open_tasks
from workbench.training import Experiment, Run, preset, start_in_background, train

WAVES = """
from workbench.tasks.families.sinusoid import FAMILIES, Curves


class Waves(Curves):
    def __init__(self, scheme="low", name="waves"):
        super().__init__(name, scheme, FAMILIES["sinusoid", "maml"])


TASKS = {"low": ("low waves", Waves), "high": ("high waves", lambda: Waves("high"))}
"""
QUICK = preset("sinusoid-maml").stretched(2)
QUICK = replace(QUICK, training=replace(QUICK.training, tasks=2, compiled="off", validate_every=0))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget()
    for name in ("methods", "tasks"):
        Path(name).mkdir()
    Path("tasks/waves.py").write_text(WAVES)
    yield tmp_path
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("methods", "tasks")]:
        del sys.modules[name]


def test_a_family_is_opened_by_its_file_s_name() -> None:
    assert names()[-2:] == ["waves:low", "waves:high"]
    assert (open_tasks("waves").scheme, open_tasks("waves:high").scheme) == ("low", "high")
    assert len(open_tasks("waves").sample(3, seed=0)) == 3
    with pytest.raises(UserError, match="waves has no scheme 'hihg': did you mean 'high'"):
        open_tasks("waves:hihg")
    with pytest.raises(UserError, match="there are no tasks 'wavs': did you mean 'waves'"):
        open_tasks("wavs")
    with pytest.raises(UserError, match="takes nothing after its scheme"):
        open_tasks("waves:low/3")


def test_opening_one_runs_no_other() -> None:
    Path("tasks/broken.py").write_text("1 / 0\n")
    assert open_tasks("waves").name == "waves"
    assert open_tasks("sinusoid").name == "sinusoid"
    with pytest.raises(UserError, match=r"tasks/broken\.py cannot be imported .* in line 1"):
        names()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "tasks/mine.py cannot be imported (SyntaxError: invalid syntax in line 1)"),
        ("TASKS = 5\n", "TASKS in tasks/mine.py is no dict"),
        ("TASKS = {'a': 5}\n", "the scheme 'a' in tasks/mine.py is 5: make it (one line, factory)"),
        ("x = 1\n", "tasks/mine.py declares no tasks"),
        ("TASKS = {'a': ('a', dict)}\n", "the scheme 'a' in tasks/mine.py gives dict"),
        (
            WAVES.replace('"low": ("low', '"slow": ("low'),
            "call themselves waves:low: let their name be 'mine' and their scheme 'slow'",
        ),
        ("\nTASKS = {'a': ('a', lambda: [][0])}\n", "tasks/mine.py, line 2: IndexError"),
    ],
)
def test_what_cannot_be_opened_is_the_user_s_mistake(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tasks/mine.py").write_text(text)
    code = main(["train", "sinusoid-maml", "--tasks", "mine", "--run", "r"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert (code, said in error) == (2, True), error


def test_a_built_in_family_s_name_is_refused() -> None:
    Path("tasks/sinusoid.py").write_text(WAVES)
    for call in (names, lambda: open_tasks("sinusoid")):
        with pytest.raises(UserError, match=r"tasks/sinusoid\.py has the name of tasks that are"):
            call()


def test_a_package_of_something_else_is_left_alone() -> None:
    """Such a folder is not looked into, and one that is imported already stays what it is."""
    other = types.ModuleType("tasks")
    other.__file__, other.__path__ = "/elsewhere/tasks/__init__.py", ["/elsewhere/tasks"]
    other.__spec__ = types.SimpleNamespace(origin=other.__file__)  # type: ignore[assignment]
    sys.modules["tasks"] = other
    assert open_tasks("waves").name == "waves"
    assert sys.modules["tasks"] is other
    assert not hasattr(other, "waves")
    Path("tasks/__init__.py").write_text("1 / 0\n")
    assert "waves:low" not in names()
    with pytest.raises(UserError, match=r"there are no tasks 'waves'.*has an __init__\.py"):
        open_tasks("waves")
    Path("methods/__init__.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match=r"no preset 'x'.*methods has an __init__\.py"):
        preset("x")


def test_of_two_folders_each_has_its_own(folder: Path) -> None:
    first = import_own(Path("tasks/waves.py"))
    assert import_own(Path("tasks/waves.py")) is first
    assert importlib.import_module("tasks").waves is first
    (folder / "other" / "tasks").mkdir(parents=True)
    (folder / "other" / "tasks" / "waves.py").write_text("HERE = True\n")
    assert import_own(folder / "other" / "tasks" / "waves.py").HERE


def test_a_run_keeps_the_file_and_refuses_another() -> None:
    train(replace(QUICK, tasks="waves:high"), "run", progress=False)
    kept = json.loads(Path("run/methods.json").read_text())
    assert kept["tasks.waves"]["text"] == WAVES
    forget()
    assert Run.open("run").load()[1].scheme == "high"
    Path("tasks/waves.py").write_text(WAVES + "\nraise SystemExit\n")
    with pytest.warns(UserWarning, match=r"tasks\.waves has changed since run was begun"):
        assert Run.open("run").experiment  # imported: used as it is
    forget()
    with pytest.raises(UserError, match=r"tasks/waves\.py has changed since, or is another"):
        assert Run.open("run").experiment
    assert "tasks.waves" not in sys.modules
    Path("tasks/waves.py").unlink()
    with pytest.raises(UserError, match="not found: .* only from the folder 'tasks'"):
        assert Run.open("run").experiment


def test_a_record_that_has_no_hash_runs_nothing() -> None:
    Path("tasks/waves.py").write_text("raise SystemExit\n")
    record = replace(QUICK, tasks="waves").to_record()
    with pytest.raises(UserError, match="field 'tasks' names 'waves'.*has changed since"):
        Experiment.from_record(record, "here")
    assert "tasks.waves" not in sys.modules


def test_they_are_listed_with_their_line_and_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["waves:low"]
    assert listed == {"name": "waves:low", "title": "low waves", "where": "tasks/waves.py"}


ESTIMATOR = """
from dataclasses import dataclass

from workbench.algorithms import Estimator, Exact


@dataclass(frozen=True)
class Mine(Estimator):
    def __call__(self, learner, episode, carried=None):
        return Exact()(learner, episode, carried)
"""


def test_an_estimator_s_file_that_changed_is_said() -> None:
    """And not that its record is no estimator."""
    Path("methods/mine.py").write_text(ESTIMATOR)
    module = import_own(Path("methods/mine.py"))
    train(replace(QUICK, estimator=module.Mine()), "run", progress=False)
    forget()
    assert type(Run.open("run").experiment.estimator).__name__ == "Mine"
    forget()
    Path("methods/mine.py").write_text(ESTIMATOR + "\n# a change\n")
    with pytest.raises(UserError, match=r"methods/mine\.py has changed since, or is another"):
        assert Run.open("run").experiment


def test_a_child_process_opens_them() -> None:
    run = start_in_background(replace(QUICK, tasks="waves"), "run")
    list(run.follow(every=0.05))
    assert run.status().state == "finished", (run.directory / "log.txt").read_text()


def test_a_file_of_a_family_may_use_another() -> None:
    Path("methods/_help.py").write_text("LINE = 'low waves'\n")
    text = "from methods._help import LINE\n" + WAVES.replace('"low waves"', "LINE")
    Path("tasks/waves.py").write_text(text)
    assert open_tasks("waves").name == "waves"
