"""Curves and digits, and opening tasks by name."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape, names, open_tasks
from workbench.tasks.families.sinusoid import Curves

CURVES = ["sinusoid:maml", "sinusoid:reptile", "harmonics", "linear-sine"]
# These pin what the published numbers were measured on; a change here changes every result.
PINNED = {
    "sinusoid:maml": "ed251eb674a518d0",
    "digits": "8fa0cd04e7844bf1",
    "bandit": "9b37d041fd911379",
    "moons:turned": "23344dc6a7b07795",
    "glyphs:pen": "d2e160a76544ad7c",
    "reacher:length": "20464313283afeab",
    "grid:goal": "0800be1b9ee50d20",
    "grid:walls": "46dc413bfc8e3a81",
    "pendulum": "59a02b48dada421f",
    "cheetah:direction": "2617ffef44b1c1cb",
    "cheetah:velocity": "87080416f6c3d456",
    "ant": "38a522c5cc66b6ca",
    "families:sines": "33c5ca3090883b8b",
    "families:harmonics": "6b4cd585beddd3ea",
}


@pytest.mark.parametrize("name", CURVES)
def test_points_lie_on_the_true_curve(name: str) -> None:
    tasks = open_tasks(name)
    assert isinstance(tasks, Curves)
    episode = tasks.sample(50, seed=0, split="test")
    for examples in (episode.support, episode.query):
        assert torch.equal(tasks.curve(episode, examples.x), examples.y)
        assert -5 <= float(examples.x.min()) < float(examples.x.max()) < 5
    assert tasks.curve(episode, torch.linspace(-5, 5, 7)).shape == (50, 7, 1)
    assert tasks.spec(Shape()).outputs == 1


@pytest.mark.parametrize(("scheme", "most"), [("maml", math.pi), ("reptile", 2 * math.pi)])
def test_the_sinusoids_are_those_of_the_papers(scheme: str, most: float) -> None:
    episode = open_tasks(f"sinusoid:{scheme}").sample(4000, seed=0, shape=Shape(shots=5))
    amplitude, phase = episode.info["amplitude"], episode.info["phase"]
    assert 0.1 <= float(amplitude.min()) < 0.12
    assert 4.98 < float(amplitude.max()) < 5
    assert 0 <= float(phase.min()) < 0.01 < most - 0.01 < float(phase.max()) < most
    by_hand = amplitude.view(-1, 1, 1) * torch.sin(episode.support.x - phase.view(-1, 1, 1))
    torch.testing.assert_close(episode.support.y, by_hand, atol=1e-5, rtol=1e-5)


def test_a_curve_is_the_same_whatever_the_shape_and_the_batch() -> None:
    tasks = open_tasks("sinusoid")
    few = tasks.sample(3, seed=0, shape=Shape(shots=5, queries=10))
    many = tasks.sample(9, seed=0, shape=Shape(shots=20, queries=4))
    assert torch.equal(many.info["amplitude"][:3], few.info["amplitude"])
    assert torch.equal(many.support.x[:3, :5], few.support.x)
    assert not torch.equal(few.support.x[:, :5], few.query.x[:, :5])


def test_unequal_shots_of_curves() -> None:
    episode = open_tasks("sinusoid").sample(100, seed=0, shape=Shape(shots=(2, 5)))
    weight = episode.support.weight
    assert weight is not None
    assert weight.sum(1).unique().tolist() == [2, 3, 4, 5]
    assert float(episode.support.y[weight == 0].abs().sum()) == 0


def test_the_splits_are_other_tasks() -> None:
    for name in ("sinusoid", "bandit", "mdp", "navigation"):
        tasks = open_tasks(name)
        hashes = {
            tasks.sample(3, seed=0, split=split).sha256()
            for split in ("train", "validation", "test")
        }
        assert len(hashes) == 3


def test_digits_are_divided_5_2_3() -> None:
    tasks = open_tasks("digits")
    classes = [set(tasks.class_names(split)) for split in ("train", "validation", "test")]
    assert [len(each) for each in classes] == [5, 2, 3]
    assert set.union(*classes) == {str(digit) for digit in range(10)}
    episode = tasks.sample(4, seed=0, shape=Shape(5, 3, 10))
    assert episode.support.x.shape == (4, 15, 1, 8, 8)
    assert 0 == float(episode.support.x.min()) < float(episode.support.x.max()) == 1
    with pytest.raises(UserError, match="ways is 5 but the split 'test' of digits has 3 classes"):
        tasks.sample(1, seed=0, split="test", shape=Shape(5))


def test_digits_look_like_their_class() -> None:
    """Nearest class mean in pixels tells two digits apart: the labels belong to the images."""
    episode = open_tasks("digits").sample(50, seed=0, shape=Shape(2, 10, 10))
    means = episode.support.x.view(50, 2, 10, -1).mean(2)
    guess = torch.cdist(episode.query.x.flatten(2), means).argmin(-1)
    assert float((guess == episode.query.y).float().mean()) > 0.9


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("sinusoids", "did you mean 'sinusoid'"),
        ("sinusoid:mamal", "did you mean 'maml'"),
        ("sinusoid:maml/within-alphabet", "leave it out"),
        ("omniglot:vinyal", "did you mean 'vinyals'"),
        ("omniglot:vinyals/within-alphabets", "did you mean 'within-alphabet'"),
        ("omniglot:vinyals/no-rotations/rotations-augment", "leave one out"),
    ],
)
def test_a_wrong_name_gets_the_nearest(name: str, cure: str) -> None:
    with pytest.raises(UserError, match=cure):
        open_tasks(name)


def test_all_names_can_be_asked_for() -> None:
    assert {name.split(":")[0] for name in names()} == {
        "sinusoid",
        "harmonics",
        "linear-sine",
        "glyphs",
        "moons",
        "digits",
        "omniglot",
        "bandit",
        "mdp",
        "navigation",
        "reacher",
        "grid",
        "pendulum",
        "cheetah",
        "ant",
        "recurring",
        "quadratics",
        "grammar",
        "clinc150",
        "afrisenti",
        "heart",
        "clinic",
        "breast-cancer",
        "diabetes",
        "streams",
        "taste",
        "movielens",
        "families",
    }


@pytest.mark.parametrize("name", PINNED)
def test_samples_are_the_same_on_every_machine(name: str) -> None:
    digest = hashlib.sha256()
    for split in ("train", "validation", "test"):
        digest.update(open_tasks(name).sample(20, seed=0, split=split).sha256().encode())
    assert digest.hexdigest()[:16] == PINNED[name]


def test_opening_sinusoids_loads_no_heavy_library() -> None:
    script = (
        "import sys; from workbench.tasks import open_tasks; "
        "open_tasks('sinusoid').sample(1, seed=0); "
        "print([m for m in ('sklearn', 'PIL', 'pandas', 'scipy', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
