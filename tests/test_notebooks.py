"""Every notebook runs from top to bottom, in a copy of its folder, and leaves no error."""

from __future__ import annotations

import ast
import resource
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
MOST = 60  # seconds, on two idle cores


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in `folder`."""
    copy = shutil.copy(path, folder)
    notebook = nbformat.read(copy, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@names
@pytest.mark.timeout(400)
def test_runs(path: Path, tmp_path: Path):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    notebook = execute(path, tmp_path)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert min(seconds, worked) < MOST  # on a busy machine the clock says nothing


@names
def test_is_thin(path: Path):
    """Notebooks import; they define no loop, function, class, loss or metric."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and not cell.source.startswith("%"):
            kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda)
            assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, kinds)]


@names
def test_is_stripped(path: Path):
    """No outputs, no counts, no traces of the machine that it was written on."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_the_gallery_opens_all_others():
    start = NOTEBOOKS[0].read_text(encoding="utf-8")
    assert NOTEBOOKS[0].name == "00-start.ipynb"
    for other in NOTEBOOKS[1:]:
        assert f"]({other.name})" in start
