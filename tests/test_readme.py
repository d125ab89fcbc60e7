"""What the README shows: its code runs, its pictures and presets exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from workbench.cli.train import experiment_of
from workbench.inspection import table
from workbench.training import Run, presets

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_five_minutes_end_with_a_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _ = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(code, {})
    assert (tmp_path / "sinusoid.pdf").read_bytes().startswith(b"%PDF")


def test_five_lines_train_on_your_own_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, code = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    labels = torch.arange(40).repeat_interleave(8)
    images = torch.rand(320, 1, 28, 28) * 0.2 + torch.rand(40, 1, 28, 28)[labels]
    exec(code.replace("stretched(500)", "stretched(3)"), {"images": images, "labels": labels})
    assert Run.open("runs/mine").status().state == "finished"


def test_pictures_and_files_it_links_to_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []


def test_presets_it_names_exist():
    named = set(re.findall(r"workbench train ([a-z0-9]+-[a-z0-9-]+)", TEXT))
    assert named
    assert named <= set(presets())


def test_its_table_of_inspections_is_the_one_that_there_is():
    """`python -c "from workbench.inspection import table; print(table())"` prints it."""
    for written in re.findall(r"<!-- inspections -->\n(.*?)\n<!-- ", TEXT, flags=re.DOTALL):
        assert written.strip() == table()


def test_every_train_command_is_understood():
    """Each `workbench train` line parses: a preset or flag that was renamed would be refused."""
    lines = re.findall(r"workbench train ([a-z0-9]+-\S+[^`\n|]*)", TEXT)
    assert lines
    for line in lines:
        name, *flags = line.split()
        experiment_of(name, flags)
