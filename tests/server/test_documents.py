"""Runs and figures as documents: what the server reads of them, and of files of every sort."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.server.test_server import CONFIG, make_run
from workbench import UserError
from workbench.figures import Receipt, Style, save
from workbench.figures.style import Plot
from workbench.server.documents import receipt_of, run_document
from workbench.server.looking import Lookout
from workbench.server.messages import FigureReceipt, RunDocument


def document(root: Path, place: str, mark: str = "") -> RunDocument:
    return run_document(root, Lookout(root), place, mark)


def told(root: Path, place: str) -> FigureReceipt:
    return receipt_of(root, Lookout(root), place)


def figure(path: Path, code: str = 'curves("x")', **configuration: Any) -> Path:
    receipt = Receipt.of(pd.DataFrame({"x": [1.0]}), code=code, seed=3, configuration=configuration)
    return save(Plot(Style(), 2.0), path, receipt)


# ---- runs ----------------------------------------------------------------------------------------


def test_a_run_comes_with_its_curves_and_then_with_what_is_new(tmp_path: Path):
    run = make_run(tmp_path, "runs/mine", rows=4)
    extra = [
        {"iteration": 400, "split": "diagnostics", "agreement": 0.5},
        {"iteration": 400, "split": "adaptation", "step": 1, "mse": 0.25},
    ]
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in extra)
    first = document(tmp_path, "runs/mine")
    assert (first["run"]["name"], first["limited"]) == ("mine", "")
    assert first["configuration"] == CONFIG
    assert first["frames"] is not None
    assert set(first["frames"]) == {"run", "inside", "adaptation"}
    columns = {one["name"]: one for one in first["frames"]["run"]["columns"]}
    value = np.frombuffer(base64.b64decode(columns["value"]["data"]), "<f8")
    assert value.tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
    assert columns["split"]["words"] == ["validation"]
    again = document(tmp_path, "runs/mine", first["mark"])
    assert again["frames"] is None
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"iteration": 500, "split": "validation", "mse": 0.125}) + "\n")
    more = document(tmp_path, "runs/mine", first["mark"])
    assert more["frames"] is not None
    assert more["frames"]["run"]["rows"] == 5


def test_the_notice_of_its_tasks_stands_in_the_curves(tmp_path: Path):
    """Rows with one were taken for damaged ones."""
    row = {"iteration": 5, "split": "validation", "mse": 0.5, "notice": "Not for patients."}
    (make_run(tmp_path, "mine") / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    frames = document(tmp_path, "mine")["frames"]
    assert frames is not None
    assert (frames["run"]["rows"], frames["run"]["notice"]) == (1, "Not for patients.")
    assert document(tmp_path, "mine")["run"]["last"] is not None


def test_a_run_without_a_measurement_has_no_curves(tmp_path: Path):
    (make_run(tmp_path, "mine") / "metrics.jsonl").unlink()
    assert document(tmp_path, "mine")["frames"] == {}


@pytest.mark.parametrize(
    "content",
    [
        b"not\n{}\n[]\n\xff\xfe\n",
        b'{"iteration": 1, "split": "validation", "mse": 1e999}\n',
        b'{"iteration": 99999999999999999999999, "split": "train", "loss": 1}\n',
        b'{"iteration": 1, "split": "adaptation", "mse": 1}\n',
        b'{"iteration": 99999999999999999999999, "split": "diagnostics", "agreement": 1}\n',
    ],
)
def test_broken_metrics_are_no_curves_or_a_sentence(content: bytes, tmp_path: Path):
    (make_run(tmp_path, "mine") / "metrics.jsonl").write_bytes(content)
    said = ""
    try:
        json.dumps(document(tmp_path, "mine"), allow_nan=False)
    except UserError as error:
        said = str(error)
    assert said in ("", "its metrics.jsonl is damaged: restore it")


def test_of_long_metrics_the_end_is_drawn_and_that_is_said(tmp_path: Path):
    run = make_run(tmp_path, "mine")
    line = json.dumps({"iteration": 5, "split": "train", "loss": 0.5, "seconds": 1.0}) + "\n"
    (run / "metrics.jsonl").write_text(line * (5_000_000 // len(line)))
    found = document(tmp_path, "mine")
    assert found["limited"] == "only the last 4 MB of its metrics are drawn"
    assert found["frames"] is not None
    assert 4_000_000 // len(line) - 2 < found["frames"]["run"]["rows"] <= 4_000_000 // len(line)


def test_only_runs_below_the_folder_are_documents(tmp_path: Path):
    make_run(tmp_path / "outside", "secret")
    root = tmp_path / "root"
    make_run(root, "mine")
    (root / "link").symlink_to(tmp_path / "outside" / "secret")
    (root / "folder").mkdir()
    for place in ("../outside/secret", "/etc", "link", "folder", "gone", ""):
        with pytest.raises(UserError):
            document(root, place)
    (root / "mine" / "metrics.jsonl").unlink()
    (root / "mine" / "metrics.jsonl").symlink_to(tmp_path / "outside/secret/metrics.jsonl")
    assert document(root, "mine")["frames"] == {}


# ---- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_a_figure_tells_its_receipt(format: str, tmp_path: Path):
    figure(tmp_path / f"figures/one.{format}", code='f("(a)")', seed=3)
    found = told(tmp_path, f"figures/one.{format}")
    assert (found["missing"], found["code"], found["seed"]) == ("", 'f("(a)")', 3)
    assert found["configuration"] == {"seed": 3}
    assert len(found["data_sha256"]) == 64
    assert found["version"]


def test_the_run_of_a_figure_is_the_one_that_it_names_or_that_is_configured_so(tmp_path: Path):
    make_run(tmp_path, "notebooks/runs/mine")
    make_run(tmp_path, "elsewhere/other", seed=5)
    figures = tmp_path / "notebooks" / "figures"
    figure(figures / "named.png", code='metrics_frame("runs/mine")', **{**CONFIG, "seed": 5})
    figure(figures / "alike.png", **{**CONFIG, "seed": 5})
    figure(figures / "preset.png", code='Session("sinusoid-maml")', tasks="other")
    figure(figures / "out.png", code='f("../../../etc", "/etc")')
    runs = {name: told(tmp_path, f"notebooks/figures/{name}.png")["runs"] for name in
            ("named", "alike", "preset", "out")}  # fmt: skip
    assert runs == {
        "named": ["notebooks/runs/mine"],
        "alike": ["elsewhere/other"],
        "preset": [],
        "out": [],
    }


def png_with(note: str) -> bytes:
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info, made = PngInfo(), io.BytesIO()
    info.add_text("Receipt", note)
    Image.new("L", (2, 2)).save(made, "png", pnginfo=info)
    return made.getvalue()


GOOD = {"code": "f()", "seed": 0, "version": "1", "data_sha256": "a", "configuration": {}}
ENTITIES = b"".join(b'<!ENTITY e%d "%s">' % (k, b"&e%d;" % (k - 1) * 10) for k in range(1, 12))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b""),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\xff" * 50),
        ("a.png", png_with("no JSON")),
        ("a.png", png_with("[" * 100_000)),
        ("a.png", png_with(json.dumps({**GOOD, "code": 3}))),
        ("a.png", png_with(json.dumps({**GOOD, "more": 3}))),
        ("a.png", png_with(json.dumps({"code": "f()"}))),
        ("a.png", png_with(json.dumps({**GOOD, "code": "x" * 2_000_000}))),
        ("a.svg", b"<svg"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.svg", b'<!DOCTYPE x [<!ENTITY e0 "ha">' + ENTITIES + b"]><svg>&e11;</svg>"),
        ("a.pdf", b"%PDF-1.4 /Keywords (" + b"\\" * 100_000),
        ("a.pdf", b"%PDF-1.4 /Keywords (\xff)"),
        ("a.txt", b"text"),
    ],
)  # fmt: skip
def test_a_file_of_somebody_else_has_none_and_that_is_said(
    name: str, content: bytes, tmp_path: Path
):
    (tmp_path / name).write_bytes(content)
    found = told(tmp_path, name)
    assert found["missing"].startswith("This file holds no receipt (")
    assert (found["code"], found["runs"]) == ("", [])


def test_a_huge_figure_is_not_read(tmp_path: Path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(500 * 2**20)
    assert "above 32 MB" in told(tmp_path, "huge.png")["missing"]


def test_only_files_below_the_folder_are_figures(tmp_path: Path):
    figure(tmp_path / "outside" / "secret.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "folder.png").mkdir()
    os.mkfifo(root / "pipe.png")
    places = ("../outside/secret.png", "link.png", "linked/secret.png", "folder.png", "pipe.png")
    for place in (*places, "gone.png", "", "/etc/passwd"):
        with pytest.raises(UserError):
            told(root, place)


def test_documents_load_neither_torch_nor_matplotlib(tmp_path: Path):
    make_run(tmp_path, "mine")
    figure(tmp_path / "one.svg")
    code = (
        "import sys; from pathlib import Path; from workbench.server.looking import Lookout; "
        "from workbench.server.documents import receipt_of, run_document; "
        "root = Path(sys.argv[1]); seen = Lookout(root); run_document(root, seen, 'mine'); "
        "receipt_of(root, seen, 'one.svg'); "
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
