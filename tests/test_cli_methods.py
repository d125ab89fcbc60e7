"""Methods of one's own on the command line: their mistakes are one line with file and line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.cli import main

NO_BUILD = """
from dataclasses import dataclass, replace

from workbench.training import preset


@dataclass(frozen=True)
class Mine:
    "Mine."
    size: int = 1  # of it


PRESETS = {"mine": ("mine", replace(preset("sinusoid-maml"), learner=Mine()))}
"""


@pytest.fixture
def workbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """A command's exit code and what it says on standard error, beside methods of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "methods"]:
        monkeypatch.delitem(sys.modules, name)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(arguments))
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "methods/mine.py cannot be imported (SyntaxError: invalid syntax in line 1)"),
        ("x = 1\n<<<<<<< HEAD\n", "SyntaxError: invalid syntax in line 2)"),
        ("\n\n1 / 0\n", "(ZeroDivisionError: division by zero in line 3)"),
        ("raise SystemExit\n", "(SystemExit in line 1)"),
        ("import no_such_module\n", "No module named 'no_such_module' in line 1)"),
        (NO_BUILD, "learner is Mine ("),
        ("PRESETS = 5\n", "is no dict"),
        ("PRESETS = {'a': 5}\n", "make it (one line, Experiment(...))"),
    ],
    ids=["syntax", "conflict", "exception", "exit", "import", "build", "presets", "preset"],
)
@pytest.mark.parametrize("arguments", [("presets",), ("train", "mine")], ids=lambda a: a[0])
def test_a_method_that_cannot_be_used_is_the_user_s_mistake(
    workbench: Callable[..., tuple[int, str]], tmp_path: Path, text: str, said: str,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine.py").write_text(text)
    code, error = workbench(*arguments)
    assert (code, error.count("\n")) == (2, 1), error
    assert said in error


def test_an_error_in_a_method_names_its_file_and_line(
    workbench: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "methods").mkdir()
    text = NO_BUILD.replace("size: int", "build = lambda self, model, spec: [][0]\n    size: int")
    (tmp_path / "methods" / "mine.py").write_text(text)
    code, error = workbench("train", "mine", "--run", "r")
    said = (
        "workbench: methods/mine.py, line 10: IndexError: list index out of range: mend that file"
    )
    assert (code, error.splitlines()[-1]) == (2, said)
    assert "Traceback" not in error
