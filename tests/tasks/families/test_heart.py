"""Heart disease: files as they come and files that are none, hospitals left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape, data, open_tasks
from workbench.tasks.families.heart import HOSPITALS
from workbench.tasks.medicine import Patients
from workbench.tasks.medicine_files import COLUMNS, NAMES, read_hospital
from workbench.tasks.tables import cells

ROWS = [  # as UCI has them: no line of names, numbers as floats
    "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0",
    "67.0,1.0,4.0,160.0,286.0,0.0,2.0,108.0,1.0,1.5,2.0,3.0,3.0,2",
    "67.0,1.0,4.0,0,0,?,2.0,129.0,1.0,2.6,2.0,?,7.0,1",
    "37.0,1.0,3.0,130.0,250.0,0.0,0.0,187.0,0.0,3.5,3.0,0.0,3.0,0",
]
OTHER = [  # the same patients in the codes of the copy that goes round
    "63,1,3,145,233,1,0,150,0,2.3,0,0,1,1",
    "67,1,0,160,286,0,0,108,1,1.5,1,3,2,0",
    "67,1,0,0,0,?,0,129,1,2.6,1,4,3,0",
    "37,1,2,130,250,0,1,187,0,3.5,0,0,2,1",
]


def written(folder: Path, lines: list[str], name: str = "file.data", head: bool = False) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(([",".join(NAMES)] if head else []) + lines) + "\n")
    return path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    for number, name in enumerate(HOSPITALS.values()):
        own = [f"{40 + number}" + row[row.index(",") :] for row in 4 * ROWS]
        written(tmp_path / "heart-disease", own, name)
    return tmp_path / "heart-disease"


def test_a_file_is_read_with_its_gaps(tmp_path: Path) -> None:
    for head in (False, True):
        table, ill = read_hospital(written(tmp_path, ROWS, head=head))
        assert ill.tolist() == [False, True, True, False]
        assert table[0].tolist() == [63, 1, 0, 145, 233, 1, 2, 150, 0, 2.3, 2, 0, 1]
        missing = [COLUMNS[k].name for k in np.flatnonzero(np.isnan(table[2]))]
        assert missing == [
            *("blood pressure", "cholesterol", "fasting sugar > 120 mg/dl", "vessels coloured")
        ]


def test_the_copy_in_other_codes_is_the_same_patients(tmp_path: Path) -> None:
    usual = read_hospital(written(tmp_path, ROWS))
    other = read_hospital(written(tmp_path, OTHER, "other.data", head=True))
    np.testing.assert_array_equal(usual[0], other[0])
    np.testing.assert_array_equal(usual[1], other[1])


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "has no patients: run `workbench data fetch heart`"),
        ([*ROWS, "63;1;1"], r"row 5 of .* has 1 values and not 14, with commas between"),
        (
            [*ROWS, ROWS[0].replace("145.0", "high")],
            "row 5 .* the trestbps 'high', which is no number",
        ),
        ([*ROWS, ROWS[0].replace("63.0,1.0", "63.0,7")], "has the sex 7, which is none of 0, 1"),
        ([ROWS[0], ROWS[3]], "has 0 patients with the disease, and both kinds must be told apart"),
        ([ROWS[1], ROWS[2]], "has 0 patients without the disease"),
        ([*ROWS, ROWS[0][:-1] + "?"], "does not say of every patient who is ill"),
        ([*OTHER, ROWS[1]], "has a cp in codes of two kinds"),
    ],
)
def test_what_is_no_table_of_patients_is_refused_in_a_sentence(
    tmp_path: Path, lines: list[str], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint) as told:
        read_hospital(written(tmp_path, lines))
    assert "\n" not in str(told.value)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.data"
    path.write_bytes("\n".join(ROWS).encode("utf-16"))
    with pytest.raises(UserError, match="is not in UTF-8"):
        read_hospital(path)


def test_a_broken_file_leaves_nothing_of_the_set_half_copied(made: Path, tmp_path: Path) -> None:
    (made / "processed.va.data").write_text("63;1;1\n")
    with pytest.raises(UserError, match="has 1 values"):
        open_tasks("heart")
    with pytest.raises(UserError, match="has 1 values"):
        data.fetch("heart", tmp_path, say=lambda _: None)
    assert not (tmp_path / "cache").exists()


def test_a_hospital_is_left_out(made: Path) -> None:
    tasks = open_tasks("heart:leave-out/va")
    assert isinstance(tasks, Patients)
    own = {
        split: {tasks.bank.groups[row] for row in part.classes.tolist()}
        for split, part in tasks.splits.items()
    }
    assert own["test"] == {"va"}
    assert own["train"] == {"cleveland", "hungary", "switzerland"}
    episode = tasks.sample(5, seed=0, split="test", shape=Shape(2, 4, 6))
    assert cells(episode.support.x[0, 0], tasks.columns)[0] == "43"
    with pytest.raises(UserError, match="heart has no hospital 'vaa': did you mean 'va'"):
        open_tasks("heart:leave-out/vaa")
    with pytest.raises(UserError, match="leaves out one hospital and was given 2"):
        open_tasks("heart:leave-out/va/cleveland")


def test_the_real_files(real_data: Callable[[str], Path]) -> None:
    real_data("heart-disease/processed.cleveland.data")
    tasks = open_tasks("heart")
    assert isinstance(tasks, Patients)
    counts = dict(zip(tasks.bank.names, tasks.bank.counts.tolist(), strict=True))
    assert sum(counts.values()) == 920
    assert counts["switzerland/absent"] == 8
    # Of the ill more have angina by exercise, in Cleveland as elsewhere: no target is turned round.
    place = [column.name for column in COLUMNS].index("angina by exercise")
    value = sum(column.width for column in COLUMNS[:place])
    flag = sum(column.width for column in COLUMNS) + place
    for hospital in HOSPITALS:
        shares = []
        for kind in ("absent", "present"):
            row = tasks.bank.names.index(f"{hospital}/{kind}")
            start = int(tasks.bank.starts[row])
            x = tasks.bank.x[start : start + counts[f"{hospital}/{kind}"]]
            shares.append(float(x[:, value].sum() / (x[:, flag] == 0).sum()))
        assert shares[0] < shares[1]
    assert torch.isfinite(tasks.sample(8, seed=0, split="test").query.x).all()
