"""Taste: who is asked what, what others say, the ranking's score, files that are broken."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import UserError
from workbench.inspection import example_frame
from workbench.tasks import Examples, Shape, data, edited, open_tasks
from workbench.tasks.base import task_seeds
from workbench.tasks.families import movielens
from workbench.tasks.taste import FEWEST, Ratings, Taste, ndcg
from workbench.tasks.taste_files import read_films, read_ratings

SHAPE = Shape(1, 5, 20)


def opened(name: str) -> Taste:
    tasks = open_tasks(name)
    assert isinstance(tasks, Taste)
    return tasks


def small(new: tuple[int, ...] = ()) -> Taste:
    """Four people who rate eight films in turn; who is number i likes film i."""
    film = torch.cat([(torch.arange(12) + person) % 8 for person in range(4)])
    who = torch.arange(4).repeat_interleave(12)
    late = torch.zeros(8, dtype=torch.bool)
    late[list(new)] = True
    ratings = Ratings(
        titles=tuple(f"Film {i} (19{50 + i})" for i in range(8)),
        genre_names=("Calm", "Loud"),
        about=torch.stack([1950 + torch.arange(8), torch.arange(8) % 2, torch.ones(8).long()], 1),
        film=film,
        stars=3.0 + (film == who).float(),
        counts=torch.full((4,), 12),
        new=late,
    )
    people = {"train": [0, 1], "validation": [2], "test": [3]}
    return Taste(ratings, people, name="small", scheme="s", new_films=bool(new))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_first_ratings_are_learned_from_and_later_ones_asked(split: str) -> None:
    tasks = opened("taste")
    episode = tasks.sample(30, seed=0, split=split, shape=SHAPE)
    given = tasks.ratings
    for task in range(30):
        person = int(episode.info["person"][task])
        assert person in tasks.people[split].tolist()
        first = int(given.counts[:person].sum())
        own = given.film[first : first + int(given.counts[person])].tolist()
        assert episode.info["support_index"][task].tolist() == own[:5]
        asked = episode.info["query_index"][task].tolist()
        assert len(set(asked)) == 20
        assert set(asked) <= set(own[5:])
        stars = dict(zip(own, given.stars[first : first + len(own)].tolist(), strict=True))
        assert episode.query.y[task].flatten().tolist() == [stars[film] for film in asked]


def test_who_gave_few_is_padded() -> None:
    episode = small().sample(6, seed=0, split="test", shape=Shape(1, 5, 20))
    assert episode.query.weight is not None
    assert episode.query.weight.sum(dim=1).tolist() == [7] * 6
    assert bool((episode.info["query_index"][:, 7:] == -1).all())
    assert not episode.query.x[:, 7:].any()
    with pytest.raises(UserError, match=f"rated 8 films and {FEWEST} more: ask for fewer shots"):
        small().sample(1, seed=0, split="test", shape=Shape(1, 8, 5))


def test_new_films_are_asked_about_and_never_trained_on() -> None:
    tasks = small(new=(2, 5, 6))
    trained = tasks.sample(20, seed=0, split="train", shape=Shape(1, 2, 5))
    assert not set(trained.info["support_index"].flatten().tolist()) & {2, 5, 6}
    assert not set(trained.info["query_index"].flatten().tolist()) & {2, 5, 6}
    with pytest.raises(UserError, match="films that came later: ask for fewer shots"):
        small(new=(2, 5)).sample(1, seed=0, split="test", shape=Shape(1, 2, 5))
    asked = tasks.sample(2, seed=0, split="validation", shape=Shape(1, 2, 5))
    known = asked.info["query_index"][asked.info["query_index"] >= 0]
    assert set(known.tolist()) == {2, 5, 6}
    assert not asked.query.x[..., 0].any()
    assert not asked.query.x[..., 2:4].any()
    assert bool((asked.query.x[..., 1] > 1900).all())  # but the year, and genres


def test_what_others_say_leaves_out_what_the_person_says() -> None:
    tasks = opened("taste")
    given = tasks.ratings
    stars = given.stars.clone()
    stars[:40] = 5.0  # all that the first person says, who trains
    people = {split: who.tolist() for split, who in tasks.people.items()}
    other = Taste(replace(given, stars=stars), people, name="taste", scheme="rank")
    moved = (other._said[:40, 0] - tasks._said[:40, 0]).abs()
    of_all = (other._said_of[:, 0] - tasks._said_of[:, 0])[given.film[:40]].abs()
    assert int(moved.max()) < 6  # by what is usual of the others, which is judged beside it
    assert int(of_all.max()) > 30


def test_what_others_say_is_the_solution_of_least_squares() -> None:
    tasks = opened("taste")
    given, train = tasks.ratings, 500
    who = np.repeat(np.arange(train), 40)
    film, stars = given.film.numpy()[: 40 * train], given.stars.numpy()[: 40 * train].astype(float)
    design = np.zeros((len(who) + train + 300, train + 300))
    design[np.arange(len(who)), who] = 1
    design[np.arange(len(who)), train + film] = 1
    design[len(who) :] = np.diag(np.sqrt([8.0] * train + [4.0] * 300))
    target = np.concatenate([stars - stars.mean(), np.zeros(train + 300)])
    solved = np.linalg.lstsq(design, target, rcond=None)[0][train:]
    assert np.abs(solved - tasks._said_of[:, 0].numpy() / 1000).max() < 0.02


def test_ndcg_by_hand() -> None:
    y = torch.tensor([[[4.0], [1.0], [5.0], [0.0]]])
    weight = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    prediction = torch.tensor([[[3.0], [2.0], [1.0], [9.0]]])
    gains = 2.0 ** np.array([4.0, 1.0, 5.0]) - 1
    best = np.sort(gains)[::-1]
    discount = np.log2(np.arange(2, 5))
    expected = (gains / discount).sum() / (best / discount).sum()
    found = ndcg(prediction, Examples(y, y, weight))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_films_are_shown_as_what_they_are_and_stars_can_be_moved() -> None:
    episode = opened("taste").sample(2, seed=0, split="test", shape=SHAPE)
    frame = example_frame(episode, 1)
    film = int(episode.info["support_index"][1, 0])
    assert frame["text"].iloc[0] == opened("taste").shown[film]
    moved = edited(
        episode, [{"what": "move", "task": 1, "part": "support", "example": 0, "y": 5.0}]
    )
    assert float(moved.support.y[1, 0]) == 5.0


def test_a_ranking_follows_every_rating() -> None:
    from workbench.inspection import ranking_frame
    from workbench.training import preset

    learner, tasks = preset("taste-melu").build()
    given = {tasks.ratings.titles[0]: 5.0, tasks.ratings.titles[1]: 0.5}
    frame = ranking_frame(learner.eval(), tasks, given, films=6)
    assert frame.groupby("ratings")["place"].apply(sorted).tolist() == [[1, 2, 3, 4, 5, 6]] * 3
    assert not frame["film"].isin([tasks.shown[0], tasks.shown[1]]).any()
    assert frame["rated"].dropna().unique().tolist() == list(given)
    means = frame.groupby("ratings")["prediction"].mean()
    assert means[1] > means[0]  # who likes the first film likes films
    with pytest.raises(UserError, match="has no film 'The Last Harbor"):
        ranking_frame(learner, tasks, {"The Last Harbor": 3.0})
    with pytest.raises(UserError, match="is given 7 stars: give half a star to five"):
        ranking_frame(learner, tasks, {tasks.ratings.titles[0]: 7})


def test_sampling_costs_little() -> None:
    from workbench.training import preset
    from workbench.training.trainer import Trainer

    experiment = preset("taste-melu").stretched(10)
    trainer = Trainer(experiment)
    trainer.update()
    started = time.process_time()
    for _ in range(5):
        trainer.update()
    step = (time.process_time() - started) / 5
    tasks, many = opened("taste"), 25 * experiment.training.tasks
    tasks.sample(many, seed=0, shape=experiment.train)
    started = time.process_time()
    tasks.sample(many, seed=1, shape=experiment.train)
    assert (time.process_time() - started) / 25 < 0.1 * step


# ---- MovieLens ----------------------------------------------------------------------------------

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,5\n1,30,2.5,4\n2,10,1.0,9\n"
FILMS = (
    "movieId,title,genres\n"
    '10,"Big Night, A (1996)",Comedy|Drama\n20,Unseen,(no genres listed)\n30,Late (2010),War\n'
)


def write(folder: Path, ratings: str = RATINGS, films: str = FILMS) -> list[Path]:
    paths = [folder / name for name in movielens.FILES]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, (ratings, films), strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return paths


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    return tmp_path


def test_files_are_read_as_they_are(folder: Path) -> None:
    ratings, films = write(folder)
    read, rated = read_films(films), read_ratings(ratings)
    assert read.titles == ("Big Night, A (1996)", "Unseen", "Late (2010)")
    assert read.years.tolist() == [1996, 0, 2010]
    assert read.genre_names == ("Comedy", "Drama", "War")
    assert read.genres.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert rated.stars.tolist() == [4.0, 2.5, 1.0]
    assert rated.time.tolist() == [5, 4, 9]


@pytest.mark.parametrize(
    ("ratings", "films", "said"),
    [
        ("a,b\n", FILMS, "does not begin with the columns userId, movieId, rating, timestamp"),
        (RATINGS + "3,10,7,1\n", FILMS, "line 5 .* gives '7' stars and not half a star to five"),
        (RATINGS + "3,10,nan,1\n", FILMS, "line 5 .* gives 'nan' stars"),
        (RATINGS + "3,10\n", FILMS, "line 5 .* has 2 values and not 4"),
        (RATINGS + "x,10,1.0,1\n", FILMS, "line 5 .* has 'x' for a whole number"),
        (RATINGS + "3,99,1.0,1\n", FILMS, "rates the film 99, which movies.csv does not list"),
        ("userId,movieId,rating,timestamp\n", FILMS, "has no row below its header"),
        (RATINGS, FILMS + "10,Again,War\n", "has the film 10 twice"),
        (RATINGS, FILMS.encode() + b"40,Am\xe9lie,War\n", "is not in UTF-8"),
        (RATINGS, FILMS + '40,"Open', "is no table"),
        (RATINGS, FILMS, "the ratings of 2 people are too few to divide"),
    ],
)
def test_broken_files_are_refused_in_a_sentence(
    folder: Path, ratings: str, films: str, said: str
) -> None:
    write(folder, ratings, films)
    with pytest.raises(UserError, match=said):
        open_tasks("movielens")
    assert not (folder / "cache").exists()


def test_fetching_from_a_folder_judges_first(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, RATINGS + "3,10,7,1\n")
    with pytest.raises(UserError, match="gives '7' stars"):
        data.fetch("movielens", source, say=lambda _: None)
    assert not (folder / "cache").exists()
    write(source)
    assert len(data.fetch("movielens", source, say=lambda _: None)) == 2


@pytest.mark.parametrize("scheme", movielens.SCHEMES)
def test_movielens_is_divided_by_people(scheme: str, real_data: Path) -> None:
    tasks = opened(f"movielens:{scheme}")
    every = [set(tasks.people[split].tolist()) for split in ("train", "validation", "test")]
    assert sum(map(len, every)) == len(set.union(*every)) == 671
    if scheme == "people":
        assert [len(people) for people in every] == [371, 100, 200]
    episode = tasks.sample(20, seed=0, split="test", shape=SHAPE)
    episode.check()
    late = tasks.ratings.new[episode.info["query_index"][episode.query.counts() > 0]]
    assert bool(late.all()) == (scheme == "films")
    assert not tasks.ratings.new[episode.info["support_index"]].any()
    shape = Shape(1, 5, 100)
    everyone = tasks.persons("test", shape)
    whole = tasks.of(everyone, task_seeds(len(everyone), 1000, "test"), "test", shape)
    assert len(whole.info["person"].unique()) == len(everyone)
