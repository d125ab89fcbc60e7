"""Taste: what a person makes of films, from the first few that were rated. A person is a task.

An input is a row of whole numbers: the film's own (0: unknown), its year (0: unknown), what others
say of it, how many of them did, then 0 or 1 for each genre. A target is a number of stars.

    others say  s_i = sum_u (stars_ui - mean - b_u) / (count_i + 4)   by regularised least squares
                b_u = sum_i (stars_ui - mean - s_i) / (count_u + 8)   over those who train, in
                                                                      thousandths of a star

What others say leaves out what the person whose task it is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import fold, permutation, uniform
from workbench.tasks.base import Kind, Shape, Split, Tasks, TaskSpec, bounds, task_seeds
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.objectives import Metric, SquaredError
from workbench.tasks.sampler import distinct

FEWEST = 5  # ratings that a person is at least asked about
_TOP = 5  # films of a ranking that count
_HIDDEN = 0.1  # share of films in training of which only year and genres are seen
_OF_FILM, _OF_PERSON = 4, 8  # how many ratings of nothing new are added to those there are
_ROUNDS = 10  # of alternating between films and people
_OWN = 4  # columns before the genres
_PERSON, _ASKED, _HIDE = range(3)  # the uses that a task's seed is put to


@dataclass(frozen=True, eq=False)
class Ratings:
    """Films, and what people gave them: person after person, each in the order of time.

    titles   [film], what each is called; about [film, 1 + genre]: its year, and its genres
    film     [rating], a row of the films; stars [rating]
    counts   [person], how many ratings each gave
    new      [film], whether a film came too late to be trained on
    """

    titles: tuple[str, ...]
    genre_names: tuple[str, ...]
    about: Tensor
    film: Tensor
    stars: Tensor
    counts: Tensor
    new: Tensor

    def described(self) -> tuple[str, ...]:
        """Each film as it is shown: title, year and genres."""
        names = self.genre_names
        genres = [
            ", ".join(n for n, there in zip(names, row, strict=True) if there)
            for row in self.about[:, 1:].tolist()
        ]
        return tuple(
            f"{title} · {kinds}" if kinds else title
            for title, kinds in zip(self.titles, genres, strict=True)
        )


def ndcg(prediction: Tensor, examples: Examples) -> Tensor:
    """How well the five films that are predicted best were liked, against the best five: `[task]`.

    The sum of (2^stars - 1) / log2(1 + place) over them, as a share of the greatest there is.

    >>> y = torch.tensor([[[1.0], [5.0], [3.0]]])
    >>> ndcg(y, Examples(y, y)), ndcg(-y, Examples(y, y)).round(decimals=2)
    (tensor([1.]), tensor([0.5800]))
    """
    there = examples.counts() > 0
    stars = examples.y.flatten(1)
    gains = torch.where(there, 2**stars - 1, torch.zeros_like(stars))
    place = torch.arange(2, 2 + min(_TOP, stars.shape[1]), device=stars.device).to(stars)

    def gained(by: Tensor) -> Tensor:
        ranked = by.masked_fill(~there, -torch.inf).argsort(dim=1, descending=True, stable=True)
        return (gains.gather(1, ranked)[:, : len(place)] / place.log2()).sum(dim=1)

    return gained(prediction.flatten(1)) / gained(stars).clamp(min=1e-12)


def _apart(prediction: Tensor, examples: Examples) -> Tensor:
    return examples.mean((prediction - examples.y).abs().mean(dim=-1))


def _root(prediction: Tensor, examples: Examples) -> Tensor:
    return examples.mean(SquaredError().losses(prediction, examples)).sqrt()


@dataclass(frozen=True)
class Stars:
    """Squared error of stars; reported are mean absolute error, its root, and the ranking."""

    kind: ClassVar[Kind] = "regression"
    loss_measure = SquaredError.loss_measure
    metrics = (
        Metric("mae", "lower", "", None, _apart, "mean absolute error (stars)"),
        Metric("rmse", "lower", "", None, _root, "root mean squared error (stars)"),
        Metric("ndcg5", "higher", "%", None, ndcg, "nDCG of the first five"),
    )

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        """Squared errors, `[task, example]`."""
        return SquaredError().losses(prediction, examples)


class Taste(Tasks):
    """People, each with the first `shots` ratings to learn from and others to be judged by.

    `queries` are drawn from all that follow; who gave fewer is padded. A training task hides a
    tenth of the films' numbers and what others say, so that a film may be known by year and genres
    alone. `info` has `person` [task], `support_index` and `query_index` [task, example], rows of
    `items`, the films as they are shown.
    With `new_films` the query of validation and test holds only films that came too late for
    training, which no training task has.
    """

    kind: Kind = "regression"
    objective = Stars()
    default_shape = Shape(ways=1, shots=5, queries=20)

    def __init__(
        self,
        ratings: Ratings,
        people: Mapping[Split, Sequence[int]],
        *,
        name: str,
        scheme: str,
        new_films: bool = False,
    ) -> None:
        self.ratings, self.name, self.scheme, self.new_films = ratings, name, scheme, new_films
        self.people = {split: torch.tensor(list(who)) for split, who in people.items()}
        self.shown = ratings.described()
        self._fitting: dict[tuple[Split, int], Tensor] = {}
        ends = ratings.counts.cumsum(0)
        self._starts = ends - ratings.counts
        self._old = ~ratings.new[ratings.film]
        self._said, self._said_of = self._others_say(
            who := torch.arange(len(ratings.counts)).repeat_interleave(ratings.counts)
        )
        # the ratings again with those of new films behind the others of each person
        self._sorted = (2 * who + (~self._old).long()).argsort(stable=True)
        self._old_counts = torch.zeros_like(ratings.counts).scatter_add(0, who, self._old.long())

    def persons(self, split: Split, shape: Shape) -> Tensor:
        """Who of a split gave enough ratings for tasks of a shape."""
        shots = bounds(shape.shots)[1]
        if (split, shots) not in self._fitting:
            self._fitting[split, shots] = self._who_fits(split, shots)
        return self._fitting[split, shots]

    def _who_fits(self, split: Split, shots: int) -> Tensor:
        old = self._old_counts[self.people[split]]
        new = self.ratings.counts[self.people[split]] - old
        fits = (old >= shots) & (new >= FEWEST) if self._asks_new(split) else old >= shots + FEWEST
        return self.people[split][fits]

    def sample(
        self, n: int, *, seed: int, split: Split = "train", shape: Shape | None = None
    ) -> Episode:
        shape = shape or self.default_shape
        self.check(shape, split)
        seeds = task_seeds(n, seed, split)
        who = self.persons(split, shape)
        drawn = (uniform(fold(seeds, _PERSON), (), torch.float64) * len(who)).long()
        return self.of(who[drawn], seeds, split, shape)

    def of(self, person: Tensor, seeds: Tensor, split: Split, shape: Shape) -> Episode:
        """The tasks of some people, `[task]`: support and query of each follow from its seed."""
        shots, queries = bounds(shape.shots)[1], shape.queries
        old, count = self._old_counts[person], self.ratings.counts[person]
        start = self._starts[person].unsqueeze(1)
        new = self._asks_new(split)
        skipped = old if new else torch.full_like(old, shots)
        left = (count if new else old) - skipped
        first = torch.arange(shots)
        asked = self._others(fold(seeds, _ASKED), left, queries) + skipped.unsqueeze(1)
        real = torch.arange(queries) < left.unsqueeze(1)
        rows = self._sorted[start + first]
        rest = self._sorted[torch.where(real, start + asked, start)]
        hidden = split == "train"
        support = self._examples(rows, None, fold(seeds, _HIDE, 0) if hidden else None)
        padded = not bool(real.all())
        query = self._examples(
            rest, real if padded else None, fold(seeds, _HIDE, 1) if hidden else None
        )
        info: dict[str, Any] = {
            "person": person,
            "support_index": self.ratings.film[rows],
            "query_index": self.ratings.film[rest].masked_fill(~real, -1),
            "items": self.shown,
            "dataset": self.name,
            "scheme": self.scheme,
            "split": split,
        }
        return Episode(support, query, seeds, info=info)

    def asked_of(self, given: Mapping[str, float], count: int, films: int) -> Episode:
        """A new person's task: the first `count` ratings given by title, and films to be ranked.

        These are the ones that were rated most often, without all that the person rates. Where no
        rating counts yet, the support is the first one all the same: a task has one.
        """
        titles = self.ratings.titles
        for title, stars in given.items():
            if title not in titles:
                raise UserError(
                    f"{self.name} has no film '{title}': {nearest(title, list(titles))}"
                )
            if not 0.5 <= stars <= 5:
                raise UserError(f"'{title}' is given {stars} stars: give half a star to five")
        rated = torch.tensor([titles.index(title) for title in given])
        asked = self._said_of[:, 1].argsort(descending=True, stable=True)
        asked = asked[~torch.isin(asked, rated)][:films]
        shown, like = rated[: max(1, count)], self.ratings.stars

        def examples(film: Tensor, y: Tensor) -> Examples:
            return Examples(self.inputs(film).unsqueeze(0), y.to(like).view(1, -1, 1))

        info: dict[str, Any] = {
            "support_index": shown.unsqueeze(0),
            "query_index": asked.unsqueeze(0),
            "items": self.shown,
            "dataset": self.name,
            "scheme": self.scheme,
        }
        own = torch.tensor(list(given.values()))[: len(shown)]
        support, query = examples(shown, own), examples(asked, torch.zeros(len(asked)))
        return Episode(support, query, torch.tensor([0]), info=info, objective=self.objective)

    def check(self, shape: Shape, split: Split = "train") -> None:
        if split not in self.people:
            raise UserError(f"{self.name} has no split '{split}': use {', '.join(self.people)}")
        if not isinstance(shape.shots, int):
            raise UserError(
                f"shots is {shape.shots} and a person has one number: give a single one"
            )
        if len(self.persons(split, shape)) == 0:
            what = "films that came later" if self._asks_new(split) else "more"
            raise UserError(
                f"nobody in the split '{split}' of {self.name} rated {shape.shots} films and "
                f"{FEWEST} {what}: ask for fewer shots"
            )

    def spec(self, shape: Shape) -> TaskSpec:
        width = _OWN + len(self.ratings.genre_names)
        return TaskSpec("regression", (width,), 1, whole_numbers=True)

    def inputs(self, film: Tensor) -> Tensor:
        """What a model sees of films, rows of `ratings.titles`, for a new person.

        >>> from workbench.tasks import open_tasks
        >>> open_tasks("taste").inputs(torch.tensor([3]))[0, :4].tolist()
        [4, 1994, 262, 364]
        """
        return self._seen(film, self._said_of[film])

    def _seen(self, film: Tensor, said: Tensor) -> Tensor:
        number = torch.where(self.ratings.new[film], 0, film + 1)
        about = self.ratings.about[film]
        return torch.cat([number.unsqueeze(-1), about[..., :1], said, about[..., 1:]], dim=-1)

    def _others_say(self, who: Tensor) -> tuple[Tensor, Tensor]:
        """What others say of the film of each rating, and how many; what all who train say of each.

        `[rating, 2]` and `[film, 2]`.
        """
        ratings = self.ratings
        stars, film = ratings.stars.double(), ratings.film
        counted = torch.isin(who, self.people["train"]) & self._old
        apart = torch.where(counted, stars - stars[counted].mean(), 0.0)
        given = counted.long()

        def over(index: Tensor, size: int, values: Tensor) -> Tensor:
            return torch.zeros(size, dtype=values.dtype).scatter_add(0, index, values)

        people, films = len(ratings.counts), len(ratings.titles)
        rated, count = over(who, people, given), over(film, films, given)
        said = torch.zeros(films, dtype=torch.float64)
        for _ in range(_ROUNDS):
            usual = over(who, people, given * (apart - said[film])) / (rated + _OF_PERSON)
            left = given * (apart - usual[who])
            said = over(film, films, left) / (count + _OF_FILM)
        rest = count[film] - given
        others = (said[film] * (count[film] + _OF_FILM) - left) / (rest + _OF_FILM)
        return (
            torch.stack([(1000 * others).round().long(), rest], dim=-1),
            torch.stack([(1000 * said).round().long(), count], dim=-1),
        )

    def _asks_new(self, split: Split) -> bool:
        return self.new_films and split != "train"

    @staticmethod
    def _others(seeds: Tensor, size: Tensor, count: int) -> Tensor:
        """`count` places below `size` in any order; where there are fewer, the rest lies beyond."""
        if not count:
            return torch.zeros(len(seeds), 0, dtype=torch.int64)
        enough = size >= count
        drawn = distinct(seeds, size.clamp(min=count).unsqueeze(1), count)
        if bool(enough.all()):
            return drawn
        few = permutation(seeds, count)
        beyond = few >= size.unsqueeze(1)
        few = few.gather(1, beyond.to(torch.int8).argsort(dim=1, stable=True))
        return torch.where(enough.unsqueeze(1), drawn, few)

    def _examples(self, rows: Tensor, real: Tensor | None, hide: Tensor | None) -> Examples:
        x = self._seen(self.ratings.film[rows], self._said[rows])
        y = self.ratings.stars[rows].unsqueeze(-1)
        if hide is not None:
            kept = (uniform(hide, (rows.shape[1],)) >= _HIDDEN).unsqueeze(-1)
            number, year, said, genres = x.split([1, 1, 2, x.shape[-1] - _OWN], dim=-1)
            x = torch.cat([number * kept, year, said * kept, genres], dim=-1)
        if real is None:
            return Examples(x, y)
        there = real.unsqueeze(-1)  # padding holds nothing that could be learned from
        return Examples(x * there, y * there, real.to(y))
