"""Tasks of your own data: whatever they come as is sorted rightly, or refused in a sentence."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

import workbench
from workbench.algorithms import MAML
from workbench.errors import UserError
from workbench.tasks import Shape, Tasks, in_memory, name_of, names, open_tasks, tasks_from
from workbench.tasks.own_data import OwnTasks, load_tasks, save_tasks

X, Y = torch.arange(240.0).view(120, 2), torch.arange(120) % 12


def patients(rows: int = 240) -> pd.DataFrame:
    place = np.arange(rows)
    return pd.DataFrame(
        {
            "hospital": [f"h{i % 8}" for i in place],
            "age": 20 + place % 60,
            "pulse": 60.0 + place % 7,
            "sick": place // 8 % 2,
            "stay": place / 10,
        }
    )


def images(folder: Path, classes: int = 6, each: int = 4, mode: str = "RGB") -> Path:
    for c in range(classes):
        (folder / f"class{c}").mkdir(parents=True)
        for i in range(each):
            colour = (40 * c, 10 * i, 100)
            image = Image.new("RGB", (20, 30), colour).convert(mode)
            image.save(folder / f"class{c}" / f"{i}.png")
    return folder


def rows_of(tasks: OwnTasks, split: Any) -> set[float]:
    """The first numbers of all the examples that a split draws."""
    own = tasks.splits[split].classes.tolist()
    starts, counts = tasks.bank.starts, tasks.bank.counts
    return {float(v) for p in own for v in tasks.bank.x[starts[p] : starts[p] + counts[p], 0]}


# ---- classes ------------------------------------------------------------------------------------


def test_arrays_are_sorted_by_class_and_split_by_class() -> None:
    tasks = tasks_from(X, Y)
    assert isinstance(tasks, Tasks)
    assert [len(tasks.splits[s]) for s in ("train", "validation", "test")] == [7, 3, 2]
    parts = [rows_of(tasks, split) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 120
    episode = tasks.sample(20, seed=0, split="test", shape=Shape(2, 2, 4))
    label = (episode.query.x[..., 0] / 2) % 12
    named = torch.tensor([float(name) for name in tasks.class_names("test")])
    chosen = named[episode.info["classes"]]
    assert torch.equal(label, chosen.gather(1, episode.query.y))
    episode.check()


@pytest.mark.parametrize(
    ("data", "classes"),
    [
        (X.numpy(), Y.numpy()),
        (X.tolist(), Y.tolist()),
        (X.double(), [f"{k:02}" for k in Y.tolist()]),
        (pd.DataFrame(X.numpy()).assign(kind=Y.numpy()), "kind"),
        (TensorDataset(X, Y), None),
    ],
    ids=["numpy", "lists", "words", "frame", "Dataset"],
)
def test_whatever_they_come_as_the_tasks_are_the_same(data: Any, classes: Any) -> None:
    one, other = tasks_from(X, Y), tasks_from(data, classes)
    assert torch.equal(one.bank.x, other.bank.x)
    shape = Shape(2, 1, 3)
    assert one.sample(3, seed=1, shape=shape).sha256() == (
        other.sample(3, seed=1, shape=shape).sha256()
    )


def test_the_division_follows_the_seed_and_is_hashed() -> None:
    one, same, other = tasks_from(X, Y), tasks_from(X, Y), tasks_from(X, Y, seed=1)
    assert one.sha256 == same.sha256 != other.sha256
    assert one.class_names("train") != other.class_names("train")
    assert tasks_from(X + 1, Y).sha256 != one.sha256
    assert one.scheme == one.sha256[:16]


def test_splits_may_be_named() -> None:
    splits = {"train": [0, 1, 2], "test": ["3", "4"]}
    tasks = tasks_from(X, Y, splits=splits)  # type: ignore[arg-type]
    assert tasks.class_names("train") == ("0", "1", "2")
    assert tasks.class_names("test") == ("3", "4")
    with pytest.raises(UserError, match="no split 'validation', only 'train' and 'test'"):
        tasks.sample(1, seed=0, split="validation")


def test_the_array_may_change_later() -> None:
    pictures = np.zeros((60, 1, 8, 8), np.uint8)
    tasks = tasks_from(pictures, np.arange(60) % 6)
    pictures += 9
    assert int(tasks.bank.x.max()) == 0


def test_bytes_are_images_with_channels_first() -> None:
    labels = np.arange(60) % 6
    grey = tasks_from(np.full((60, 8, 8), 255, np.uint8), labels)
    colour = tasks_from(np.full((60, 8, 9, 3), 51, np.uint8), labels)
    assert grey.spec(Shape(2)).input_shape == (1, 8, 8)
    assert colour.spec(Shape(2)).input_shape == (3, 8, 9)
    x = colour.sample(1, seed=0, shape=Shape(2, 1, 1)).support.x
    torch.testing.assert_close(x, torch.full_like(x, 0.2))


def test_tokens_stay_whole_numbers_for_an_embedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = torch.randint(0, 40, (120, 6), generator=torch.Generator().manual_seed(0))
    tasks, shape = tasks_from(words, Y, tokens=True), Shape(2, 1, 3)
    episode = tasks.sample(2, seed=0, shape=shape)
    assert episode.support.x.dtype == torch.int64
    assert tasks.spec(shape).whole_numbers
    assert bool((words.unsqueeze(0) == episode.support.x[0, :1]).all(dim=-1).any())
    kept = load_tasks(save_tasks(tmp_path / "t", tasks))
    assert kept.sample(2, seed=0, shape=shape).sha256() == episode.sha256()
    table = pd.DataFrame(words.numpy(), columns=list("abcdef")).assign(kind=Y.numpy())
    table.to_csv("words.csv", index=False)
    from_file = open_tasks("table:words.csv?class=kind&tokens=1")
    assert torch.equal(from_file.sample(2, seed=0, shape=shape).support.x, episode.support.x)
    again = open_tasks(f"table:{from_file.scheme}")
    assert again.spec(shape).whole_numbers

    def network(rows: int) -> MAML:
        return MAML(nn.Sequential(nn.Embedding(rows, 4), nn.Flatten(), nn.Linear(24, 2)))

    assert network(40).meta_gradient(episode).losses.isfinite().all()
    with pytest.raises(UserError, match=r"its rows are 0 to 1, choose a larger one"):
        network(2).meta_gradient(episode)
    with pytest.raises(UserError, match=r"looks up whole numbers .* tokens=True"):
        network(40).meta_gradient(tasks_from(words, Y).sample(2, seed=0, shape=shape))
    with pytest.raises(UserError, match="let an embedding look them up first"):
        MAML(nn.Linear(6, 2)).meta_gradient(episode)


def test_small_classes_are_refused_by_name_or_left_out() -> None:
    y = torch.where(torch.arange(120) < 3, 99, Y)
    tasks = tasks_from(X, y)
    shape = Shape(2, 1, 5)
    with pytest.raises(UserError, match="at most 3, or leave out small ones .* '99' by least=4"):
        for split in ("train", "validation", "test"):
            tasks.check(shape, split)
    left = tasks_from(X, y, least=6)
    assert "99" not in left.bank.names
    for split in ("train", "validation", "test"):
        left.check(shape, split)  # type: ignore[arg-type]


# ---- tasks --------------------------------------------------------------------------------------


def test_a_task_a_group_of_classes() -> None:
    tasks = tasks_from(patients(), task="hospital", target="sick", columns=["age", "pulse"])
    assert tasks.default_shape.ways == 2
    episode = tasks.sample(30, seed=0, shape=Shape(2, 3, 5))
    table = patients()
    known = {(a, p): (h, s) for h, a, p, s in table[["hospital", "age", "pulse", "sick"]].values}
    for task in range(30):
        found = [known[float(a), float(p)] for a, p in episode.query.x[task]]
        assert [sick for _, sick in found] == episode.query.y[task].tolist()  # never renumbered
    owners = {name.split("/")[0] for name in tasks.class_names("train")}
    assert not owners & {name.split("/")[0] for name in tasks.class_names("test")}
    with pytest.raises(UserError, match="tells the same 2 classes apart: ask for ways=2"):
        tasks.check(Shape((1, 2), 1, 1))


def test_a_task_a_group_of_numbers() -> None:
    table = patients()
    tasks = tasks_from(table, task="hospital", target="stay", columns=["age", "pulse"])
    assert tasks.kind == "regression"
    assert tasks.spec(Shape(5, 1)).outputs == 1
    episode = tasks.sample(30, seed=0, shape=Shape(1, (2, 6), 5))
    episode.check()
    assert (episode.ways, tuple(episode.query.y.shape)) == (None, (30, 5, 1))
    place = (episode.query.y[..., 0] * 10).round().long()
    owner = [episode.info["group_names"][g] for g in episode.info["group"].tolist()]
    assert [f"h{int(p) % 8}" for p in place[:, 0]] == owner
    assert bool(((place % 8) == (place[:, :1] % 8)).all())
    empty = episode.support.weight == 0
    assert float(episode.support.y[empty].abs().sum()) == 0
    counted = tasks_from(table, task="hospital", target="age", columns=["pulse"], kind="regression")
    assert counted.kind == "regression"


def test_classes_are_told_apart_within_a_task() -> None:
    table = patients().assign(ward=np.arange(240) // 8 % 3)
    tasks = tasks_from(table, "ward", task="hospital", columns=["age"])
    episode = tasks.sample(20, seed=0, shape=Shape(2, 1, 2))
    named = [[tasks.class_names("train")[c] for c in row] for row in episode.info["classes"]]
    assert all(len({name.split("/")[0] for name in row}) == 1 for row in named)
    assert len({tuple(name.split("/")[1] for name in row) for row in named}) == 6  # renumbered


# ---- folders, tables, names ---------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_folder_a_class(tmp_path: Path, mode: str, channels: int) -> None:
    folder = images(tmp_path / "pictures", mode=mode)
    tasks = open_tasks(f"folder:{folder}?size=12")
    assert tasks.spec(Shape(2)).input_shape == (channels, 12, 12)
    same = tasks_from(folder, size=12)
    assert (same.name, same.scheme, same.sha256) == (tasks.name, tasks.scheme, tasks.sha256)  # type: ignore[attr-defined]
    assert name_of(same) == f"folder:{folder}?size=12"
    if mode == "RGB":
        first = same.bank.x[same.bank.starts[3], :, 0, 0]
        assert first.tolist() == [120, 0, 100]


def test_a_folder_may_be_divided_already(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 3)):
        images(tmp_path / "all" / split, classes=first + 3)
        for c in range(first):
            for file in (tmp_path / "all" / split / f"class{c}").iterdir():
                file.unlink()
            (tmp_path / "all" / split / f"class{c}").rmdir()
    tasks = tasks_from(tmp_path / "all")
    assert tasks.class_names("train") == ("class0", "class1", "class2")
    assert tasks.class_names("test") == ("class3", "class4", "class5")
    images(tmp_path / "all" / "validation", classes=1)
    with pytest.raises(UserError, match="the class 'class0' of .* is in two splits"):
        tasks_from(tmp_path / "all")


def test_a_table_by_name(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    patients().to_csv(file, index=False)
    name = f"table:{file}?task=hospital&target=stay&column=age&column=pulse&train=0.5&test=0.25"
    tasks = open_tasks(name)
    assert (tasks.kind, set(tasks.splits)) == ("regression", {"train", "test"})  # type: ignore[attr-defined]
    assert name_of(tasks) == f"table:{tasks.scheme}"
    again = open_tasks(name_of(tasks))
    assert again.sha256 == tasks.sha256  # type: ignore[attr-defined]
    named = tasks_from(
        file, task="hospital", target="sick", splits={"train": ["h1"], "test": ["h2", "h3"]}
    )
    assert open_tasks(name_of(named)).sha256 == named.sha256  # type: ignore[attr-defined]


def test_data_in_memory_are_found_by_name_as_long_as_they_are_held() -> None:
    tasks = tasks_from(X, Y, name="mine")
    assert in_memory(f"mine:{tasks.scheme}") is None
    name = name_of(tasks)
    assert open_tasks(name) is tasks
    assert name in names()
    del tasks
    gc.collect()
    with pytest.raises(UserError, match="that were in memory and are not here"):
        open_tasks(name)


@pytest.mark.parametrize("kind", ["classes", "regression", "ordered"])
def test_a_file_keeps_all(tmp_path: Path, kind: str) -> None:
    tasks = {
        "classes": lambda: tasks_from(X, Y, name="mine"),
        "regression": lambda: tasks_from(X, task=Y, target=X[:, 0]),
        "ordered": lambda: tasks_from(X, task=Y, target=torch.arange(120) // 12 % 2),
    }[kind]()
    found = load_tasks(save_tasks(tmp_path / "t", tasks))
    assert (found.name, found.scheme, found.kind) == (tasks.name, tasks.scheme, tasks.kind)
    for split in ("train", "validation", "test"):
        one = tasks.sample(4, seed=3, split=split)  # type: ignore[arg-type]
        assert one.sha256() == found.sample(4, seed=3, split=split).sha256()  # type: ignore[arg-type]
    content = bytearray((tmp_path / "t").read_bytes())
    content[-1] ^= 1
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_tasks(tmp_path / "t")


# ---- what is refused ----------------------------------------------------------------------------


def changed(**columns: Any) -> pd.DataFrame:
    return patients().assign(**columns)


class Ragged:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        return torch.zeros(2 + place // 3), place


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no labels": (lambda: tasks_from(X), "not said what is to be learned"),
    "a pair": (lambda: tasks_from((X, Y)), r"the data are a pair: give tasks_from\(x, classes\)"),
    "fewer labels": (lambda: tasks_from(X, Y[:-1]), "120 examples and 119 values of class"),
    "one class": (lambda: tasks_from(X, Y * 0), "the classes are 1, too few for 3 splits"),
    "five classes": (lambda: tasks_from(X, Y % 5), "the classes are 5, too few"),
    "a label missing": (lambda: tasks_from(X[:2], ["a", None]), "class of example 1 is missing"),
    "real labels": (lambda: tasks_from(X, Y + 0.5), "class of example 0 is 0.5: give whole"),
    "NaN": (
        lambda: tasks_from(torch.where(X == 5, float("nan"), X), Y),
        "NaN or infinity .* class '2'",
    ),
    "unequal": (lambda: tasks_from([[1, 2], [3]], [0, 1]), "the data are of unequal sizes"),
    "words": (lambda: tasks_from([["a"], ["b"]], [0, 1]), "hold <U1 and no numbers"),
    "complex": (lambda: tasks_from(X * 1j, Y), "give real"),
    "nothing": (lambda: tasks_from(X[:0], Y[:0]), "give real"),
    "a set": (lambda: tasks_from({1, 2}, Y), "cannot be made from a set"),
    "no such path": (lambda: tasks_from("nowhere"), "no folder or table nowhere"),
    "a column of arrays": (lambda: tasks_from(X, "kind"), "would be a table's column"),
    "both": (lambda: tasks_from(X, Y, target=Y), "both given"),
    "no task": (lambda: tasks_from(X, target=Y), "target was given without task"),
    "columns of arrays": (lambda: tasks_from(X, Y, columns=["a"]), "columns are of a table"),
    "overlap": (
        lambda: tasks_from(X, Y, splits={"train": [0, 1], "test": [1, 2]}),
        "the class '1' is in the splits 'train' and 'test'",
    ),
    "no such class": (
        lambda: tasks_from(X, Y, splits={"train": [0, 77]}),
        "has the class '77', which the data lack",
    ),
    "empty split": (lambda: tasks_from(X, Y, splits={"train": []}), "'train' has no class"),
    "no such split": (
        lambda: tasks_from(X, Y, splits={"trian": 1.0}),  # type: ignore[dict-item]
        "no split 'trian': did you mean 'train'",
    ),
    "too much": (lambda: tasks_from(X, Y, splits={"train": 0.9, "test": 0.4}), "at most 1"),
    "mixed": (lambda: tasks_from(X, Y, splits={"train": 0.9, "test": [1]}), "fractions and names"),
    "name": (lambda: tasks_from(X, Y, name="a:b"), "cannot be called 'a:b'"),
    "column": (lambda: tasks_from(patients(), "sik"), "no column 'sik': did you mean 'sick'"),
    "words in a column": (
        lambda: tasks_from(patients(), "sick"),
        "the column 'hospital' of the table holds no numbers",
    ),
    "gaps": (
        lambda: tasks_from(changed(age=np.nan), task="hospital", target="sick"),
        "the column 'age' of the table lacks 240 of 240 values",
    ),
    "gaps in the task": (
        lambda: tasks_from(changed(hospital=None), task="hospital", target="sick"),
        "the column 'hospital' of the table lacks 240",
    ),
    "no rows": (lambda: tasks_from(patients(0), "sick"), "has no rows"),
    "no inputs": (lambda: tasks_from(patients()[["sick"]], "sick"), "has no other column"),
    "an input too": (
        lambda: tasks_from(patients(), "sick", columns=["sick"]),
        "names the column 'sick' as an input too",
    ),
    "many classes": (
        lambda: tasks_from(patients(), task="hospital", target="age", columns=["pulse"]),
        "different whole numbers or words, which are classes: say kind='regression'",
    ),
    "a class is missing": (
        lambda: tasks_from(
            changed(sick=[1] * 6 + [0] * 234), task="hospital", target="sick", columns=["age"]
        ),
        "task 'h6' has no example of the target 1, and of 8 tasks 2 lack one: .* least=1",
    ),
    "few tasks": (
        lambda: tasks_from(patients().head(16), task="sick", target="age", kind="regression",
                           columns=["pulse"]),
        "the tasks are 2, too few for 3 splits",
    ),
    "regression of classes": (lambda: tasks_from(X, Y, kind="regression"), "kind is regression"),
    "ragged items": (lambda: tasks_from(Ragged()), r"item 3 of the Ragged is \[3\] and the first"),
    "tokens of floats": (lambda: tasks_from(X, Y, tokens=True), "tokens are whole numbers"),
    "tokens of images": (lambda: tasks_from(".", tokens=True), "images, which are no tokens"),
    "a query": (lambda: open_tasks("folder:.?sise=3"), "takes no 'sise': did you mean 'size'"),
    "a size": (lambda: open_tasks("folder:.?size=big"), "size of folder:. is 'big'"),
    "no folder": (lambda: open_tasks("folder:nowhere"), "names no folder of images"),
    "no table": (lambda: open_tasks("table:nowhere.csv?class=a"), "nowhere.csv"),
    "a tuple": (lambda: open_tasks((X, Y)), "this is a tuple"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = WRONG[name]
    with pytest.raises(UserError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_images_that_are_none_are_named(tmp_path: Path) -> None:
    folder = images(tmp_path / "pictures")
    (folder / "class2" / "0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"class2/0\.png is a broken image"):
        tasks_from(folder)
    (folder / "class2" / "0.png").unlink()
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match="empty has no images"):
        tasks_from(folder)
    with pytest.raises(UserError, match="whose classes are its folders"):
        tasks_from(folder, "kind")
    with pytest.raises(UserError, match="has no folders of images"):
        tasks_from(folder / "class1")


def test_tasks_without_a_class_are_left_out_where_that_is_asked() -> None:
    table = changed(sick=[1] * 6 + [0] * 234)
    tasks = tasks_from(
        table, task="hospital", target="sick", columns=["age"], least=1, splits={"train": 1.0}
    )
    assert len(tasks.splits["train"]) == 2 * 6


def test_the_facade_has_it() -> None:
    assert workbench.tasks_from is tasks_from
