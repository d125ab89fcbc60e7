"""Every notebook runs from top to bottom, in a copy of its folder, and leaves no error."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in `folder`."""
    copy = shutil.copy(path, folder)
    notebook = nbformat.read(copy, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@names
@pytest.mark.timeout(400)
def test_runs(path: Path, tmp_path: Path):
    notebook = execute(path, tmp_path)
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    noise = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert not [text for text in noise if "Warning" in text]


@names
def test_is_thin(path: Path):
    """Notebooks import; they define no loop, function, class, loss or metric."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and not cell.source.startswith("%%"):
            kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While)
            assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, kinds)]
