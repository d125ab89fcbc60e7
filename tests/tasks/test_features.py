"""Features of a frozen network stand in for the inputs, and are computed once."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from workbench.algorithms import Prototypical
from workbench.errors import UserError
from workbench.tasks import Shape, Tasks, features, features_of, open_tasks, tasks_from
from workbench.tasks.own_data import OwnTasks, load_tasks, save_tasks
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot
from workbench.training import evaluate


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 6)
    net = nn.Sequential(*layers)
    net[1].running_mean.fill_(0.3)  # type: ignore[union-attr,operator]
    return net.train()


class Counted(nn.Module):
    calls = 0

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        Counted.calls += 1
        return self.net(x)


def test_the_same_tasks_with_features() -> None:
    net, tasks, shape = network(), open_tasks("digits"), Shape(2, 2, 5)
    made = features_of(net, tasks)
    assert made.spec(shape).input_shape == (6,)
    assert "inputs [6]" in repr(made)
    assert net.training
    assert int(net[1].num_batches_tracked) == 0  # type: ignore[index,arg-type]
    plain, found = (t.sample(4, seed=0, split="test", shape=shape) for t in (tasks, made))
    with torch.no_grad():
        expected = net.eval()(plain.query.x.flatten(0, 1)).view(4, 10, 6)
    torch.testing.assert_close(found.query.x, expected)
    assert not found.query.x.requires_grad
    assert torch.equal(plain.query.y, found.query.y)
    assert evaluate(Prototypical(nn.Flatten()), made, shape, episodes=4).mean > 0


def test_tasks_whose_splits_share_their_classes_keep_that(tmp_path: Path) -> None:
    found = features_of(nn.Flatten(), open_tasks("digits:whole"))
    assert found.class_names("train") == found.class_names("test")
    assert isinstance(found, OwnTasks)
    save_tasks(tmp_path / "kept.tasks", found)
    kept = load_tasks(tmp_path / "kept.tasks")
    assert kept.class_names("test") == found.class_names("test")


def test_they_are_computed_once(cache: Path) -> None:
    Counted.calls = 0
    net, tasks = Counted(network()), open_tasks("digits")
    first = features_of(net, tasks)
    calls = Counted.calls
    assert calls
    assert torch.equal(first.bank.x, features_of(net, tasks).bank.x)
    assert Counted.calls == calls
    net.net[4].bias.data += 1  # type: ignore[index,union-attr,operator]
    assert not torch.equal(first.bank.x, features_of(net, tasks).bank.x)
    assert Counted.calls == 2 * calls
    assert len(list((cache / "features").iterdir())) == 2


def test_where_the_cache_cannot_be_written_they_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path / "file")
    assert features_of(network(), open_tasks("digits")).spec(Shape(2)).input_shape == (6,)


def test_turned_classes_have_features_of_their_own(tmp_path: Path) -> None:
    images = torch.rand(24, 1, 6, 6)
    bank = ClassBank(images, torch.full((4,), 6), tuple("abcd"))
    splits = {"train": ClassSplit.of([0, 1], "as classes"), "test": ClassSplit.of([2, 3])}
    tasks = FewShot(bank, splits, name="turned", scheme="only")  # type: ignore[arg-type]
    made = features_of(nn.Flatten(), tasks)
    shape = Shape(6, 1, 2)
    one, other = (t.sample(5, seed=0, shape=shape) for t in (tasks, made))
    assert torch.equal(one.query.x.flatten(2), other.query.x)
    kept = load_tasks(save_tasks(tmp_path / "kept", made))
    assert kept.sample(5, seed=0, shape=shape).sha256() == other.sha256()


@pytest.mark.parametrize(
    ("net", "tasks", "message"),
    [
        (nn.Flatten(), lambda: open_tasks("sinusoid"), "'sinusoid' draws its own anew"),
        (nn.Flatten(), lambda: open_tasks("glyphs:unlabelled"), "warps its images anew"),
        (
            nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False)),
            lambda: open_tasks("digits"),
            "'0' .BatchNorm2d. normalises by the batch",
        ),
        (nn.Linear(3, 2), lambda: open_tasks("digits"), r"Linear fails on inputs of .*\[1, 8, 8\]"),
        (nn.Flatten(0), lambda: tasks_from(torch.rand(60, 3), torch.arange(60) % 6), "gives"),
    ],
    ids=["drawn", "warped", "batch", "size", "flat"],
)
def test_what_has_no_features_is_refused(net: nn.Module, tasks: object, message: str) -> None:
    family: Tasks = tasks()  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        features_of(net, family)
