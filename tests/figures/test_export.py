"""Files: formats, receipts, the same bytes every time, nothing half written."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from workbench import __version__
from workbench.errors import UserError
from workbench.figures import (
    ColumnWidth,
    Receipt,
    Style,
    comparison,
    episode_grid,
    examples,
    loss_by_step,
    read_receipt,
    render,
    save,
)

FORMATS = ["pdf", "svg", "png"]
AWKWARD = Receipt(
    code="plot = f('a(b)\\n', \"c\\\\d\")\n# <naïve> & ünï ∇",
    seed=7,
    version="1.2",
    data_sha256="ab" * 32,
    configuration={"tasks": "sinusoid", "rate": 0.01, "shape": [1, 2], "none": None},
)


@pytest.fixture(scope="module")
def plot():
    return loss_by_step(examples.steps())


@pytest.mark.parametrize("format", FORMATS)
def test_a_receipt_comes_back_as_it_was(plot, format, tmp_path):
    path = save(plot, tmp_path / "deep" / f"figure.{format}", AWKWARD)
    assert read_receipt(path) == AWKWARD
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("format", FORMATS)
def test_the_description_is_in_the_file(plot, format):
    content = render(plot, format, AWKWARD)
    if format == "svg":
        assert b"<dc:description>Query loss" in content
    elif format == "pdf":
        assert b"/Subject (Query loss" in content
    else:
        assert b"Description\x00Query loss" in content


def test_a_receipt_of_a_frame_names_version_and_data():
    frame = examples.steps()
    one, other = (Receipt.of(f, code="c", seed=0) for f in (frame, frame.iloc[1:]))
    assert one.version == __version__
    assert one.data_sha256 != other.data_sha256


@pytest.mark.parametrize("format", FORMATS)
def test_no_dates_in_a_file(plot, format):
    content = render(plot, format, AWKWARD)
    assert not re.search(rb"CreationDate|<dc:date>|tIME|D:20\d\d", content)


SCRIPT = """
import hashlib
from workbench.figures import examples, loss_by_step, render, episode_grid, comparison, Receipt
for f, x in ((loss_by_step, examples.steps()), (episode_grid, examples.images()),
             (comparison, examples.methods())):
    r = Receipt.of(x, code="c", seed=0)
    print(*(hashlib.sha256(render(f(x), k, r)).hexdigest() for k in ("pdf", "svg", "png")))
"""


def test_the_same_figure_gives_the_same_bytes_in_another_process():
    frames = (
        (loss_by_step, examples.steps()),
        (episode_grid, examples.images()),
        (comparison, examples.methods()),
    )
    here = [
        [
            hashlib.sha256(render(make(x), k, Receipt.of(x, code="c", seed=0))).hexdigest()
            for k in FORMATS
        ]
        for make, x in frames
    ]
    environment = os.environ | {"PYTHONHASHSEED": "77", "MPLBACKEND": "svg"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True, text=True
    )
    assert [line.split() for line in done.stdout.splitlines()] == here


def test_fonts_are_embedded_in_pdf_and_outlined_in_svg(plot):
    pdf, svg = render(plot, "pdf"), render(plot, "svg")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"<text" not in svg
    assert b"font-family" not in svg


@pytest.mark.parametrize("width", list(ColumnWidth))
def test_files_have_exactly_the_column_width(width, tmp_path):
    plot = comparison(examples.methods(), style=Style(width))
    path = save(plot, tmp_path / "figure.png", AWKWARD)
    with Image.open(path) as image:
        assert image.width == round(300 * width.value)
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", render(plot, "pdf"))
    assert float(box[1]) == pytest.approx(72 * width.value)


def test_an_unknown_ending_is_refused(plot, tmp_path):
    with pytest.raises(UserError, match=r"'figure.jpg'.*\.pdf, \.svg or \.png"):
        save(plot, tmp_path / "figure.jpg", AWKWARD)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(plot, tmp_path, monkeypatch):
    path = tmp_path / "figure.svg"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.figures.export.os.fsync", full)
    with pytest.raises(UserError, match="cannot write .*figure.svg: No space left"):
        save(plot, path, AWKWARD)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_a_receipt_says_so(plot, format, tmp_path):
    path = tmp_path / f"figure.{format}"
    path.write_bytes(render(plot, format))
    with pytest.raises(UserError, match="holds no receipt"):
        read_receipt(path)
    path.write_bytes(b"garbage")
    with pytest.raises(UserError, match="holds no receipt"):
        read_receipt(path)
    with pytest.raises(UserError, match="cannot read"):
        read_receipt(tmp_path / f"missing.{format}")
