"""`%%method`: a method from a cell becomes a file that every process can import."""

from __future__ import annotations

import json
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.tasks import Shape
from workbench.training import Run, preset, presets, start_in_background, train
from workbench.widgets.magic import write_method

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
PRESET = """

from dataclasses import replace as _replace

from workbench.training import preset as _preset

PRESETS = {
    "digits-ridge": (
        "ridge regression on digits",
        _replace(_preset("digits-protonet"), learner=RidgeSettings()).stretched(30),
    )
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "methods"]:
        sys.modules.pop(name)


@pytest.fixture
def ridge():
    return re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text(), flags=re.DOTALL)[0]


def test_a_second_run_of_the_cell_replaces_the_first(folder):
    assert write_method("mine", "X = 1\n").X == 1
    assert write_method("mine", "X = 2\n").X == 2


def test_a_cell_that_does_not_run_leaves_the_file_as_it_was(folder):
    write_method("mine", "X = 1\n")
    with pytest.raises(ZeroDivisionError):
        write_method("mine", "X = 1 / 0\n")
    with pytest.raises(UserError, match="line 1 of the cell is no Python"):
        write_method("mine", "X = = 2\n")
    assert (folder / "methods" / "mine.py").read_text() == "X = 1\n"
    with pytest.raises(ZeroDivisionError):
        write_method("other", "1 / 0\n")
    assert not (folder / "methods" / "other.py").exists()


def test_a_method_trains_in_a_child_process_and_is_found_again(folder, ridge):
    write_method("ridge", ridge + PRESET)
    assert presets()["digits-ridge"] == "ridge regression on digits"
    run = start_in_background(preset("digits-ridge"), "runs/ridge")
    rows = list(run.follow(every=0.1))
    assert run.status().state == "finished", (run.directory / "log.txt").read_text()
    assert rows[-1]["iteration"] == 30
    learner, _ = Run.open("runs/ridge").load()
    assert type(learner).__name__ == "Ridge"
    kept = json.loads(Path("runs/ridge/methods.json").read_text())
    assert kept["methods.ridge"]["text"] == ridge + PRESET


def test_a_run_says_that_its_method_has_changed_since(folder, ridge):
    module = write_method("ridge", ridge)
    experiment = replace(
        preset("digits-protonet"), learner=module.RidgeSettings(), train=Shape(2, 1, 3)
    )
    train(experiment.stretched(2), run="runs/one", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Run.open("runs/one").load()
    write_method("ridge", ridge + "\n# a change\n")
    with pytest.warns(UserWarning, match=r"methods\.ridge has changed since runs/one was begun"):
        Run.open("runs/one").load()


def test_a_broken_file_among_the_methods_is_named(folder):
    (folder / "methods").mkdir()
    (folder / "methods" / "broken.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match=r"methods/broken\.py cannot be imported \(ZeroDivision"):
        preset("digits-ridge")
    assert preset("digits-maml").seed == 0  # what is built in needs none of them


def test_names_that_are_no_modules_are_refused(folder):
    for name in ("my-method", "", "_x", "1a"):
        with pytest.raises(UserError, match="no name for a method"):
            write_method(name, "")
