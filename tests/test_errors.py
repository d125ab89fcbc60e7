"""A mistake of the user is one sentence in a notebook's cell; a script keeps its traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELL = """
from workbench import Shape, open_tasks
open_tasks("digits").sample(1, seed=0, shape=Shape(9, 1, 1))
"""


def test_in_a_kernel_it_is_one_sentence(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(CELL), nbformat.v4.new_code_cell("1 / 0")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, allow_errors=True, resources=where).execute()
    mistake, fault = (cell.outputs[-1] for cell in notebook.cells)
    assert mistake.ename == "UserError"
    assert mistake.traceback == [
        "UserError: ways is 9 but the split 'train' of digits has 5 classes: ask for at most 5"
    ]
    assert "Traceback" in "".join(fault.traceback)  # others have their frames


def test_a_script_keeps_its_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CELL], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback")
    assert "in check" in ended.stderr
    assert "UserError: ways is 9" in ended.stderr.splitlines()[-1]
