"""What is known of a film, and a person's judgement of it: embeddings below, decisions above.

After Lee, Im, Jang, Cho and Chung (2019), MeLU: Meta-Learned User Preference Estimator for
Cold-Start Recommendation, KDD: embeddings of an item's contents, then layers that decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.fields import Range, check_fields

_MIDDLE, _DECADES = 1990.0, 20.0  # a year as a number near 0
_MANY = 5.0  # the logarithm of how many ratings are many
_STARS = 3.5  # what is said of a film while nothing is known


class FilmNet(nn.Module):
    """Stars of films: their embedding beside what genres, year and others say, and two layers.

    What stands in an input is a row of whole numbers: film, year, what others say, how many did,
    and genres (see `tasks/taste.py`). The last layer reads all of that beside what the layer before
    it makes of it, so that adapting it alone can turn a preference for any direction of the
    embedding into stars. What it gives is added to what others say: there everything starts.

    >>> FilmNet(genres=2, films=10)(torch.tensor([[3, 1995, 700, 20, 0, 1]])).shape
    torch.Size([1, 1])
    """

    def __init__(
        self,
        genres: int,
        outputs: int | None = 1,
        films: int = 9216,
        width: int = 8,
        hidden: int = 16,
    ) -> None:
        FilmNetSettings(films, width, hidden)  # refuses what there is not
        super().__init__()
        self.films, self.outputs = films, outputs
        self.film = nn.Embedding(films, width)
        nn.init.normal_(self.film.weight, std=0.05)
        self.contents = nn.Linear(genres + 2, width)
        self.decide = nn.Linear(2 * width + 2, hidden)
        self.head: nn.Module = nn.Identity()
        if outputs is not None:
            self.head = head = nn.Linear(2 * width + 2 + hidden, outputs)
            nn.init.normal_(head.weight, std=0.05)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Of films `[example, 4 + genre]`."""
        number, year, said, many, genres = x.split([1, 1, 1, 1, x.shape[-1] - 4], dim=-1)
        film = self.film(number.squeeze(-1) % self.films)
        known = (year > 0).to(film)
        when = known * (year.to(film) - _MIDDLE) / _DECADES
        contents = self.contents(torch.cat([when, known, genres.to(film)], dim=-1)).tanh()
        rated = (many.to(film) + 1).log() / _MANY
        all_known = torch.cat([said.to(film) / 1000, rated, film, contents], dim=-1)
        found = self.head(torch.cat([all_known, self.decide(all_known).relu()], dim=-1))
        return found + _STARS + all_known[..., :1] if self.outputs else found


@dataclass(frozen=True)
class FilmNetSettings:
    """Embeddings of films and of what is known of them, and layers that decide."""

    # rows of the table of films, to which their numbers are brought
    films: Annotated[int, Range(2, span=(64, 65_536), log=True)] = 9216
    width: Annotated[int, Range(1, span=(2, 64))] = 8  # of an embedding
    hidden: Annotated[int, Range(1, span=(4, 128))] = 16  # units of the layer that decides

    def __post_init__(self) -> None:
        check_fields(self, "model")

    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> FilmNet:
        """The module for films with so many genres."""
        if len(input_shape) != 1 or input_shape[0] < 5:
            raise UserError(
                "FilmNet reads films (number, year, what others say, how many, genres) and not "
                f"inputs of shape {input_shape}: use an MLP, or tasks of films such as 'taste'"
            )
        return FilmNet(input_shape[0] - 4, outputs, self.films, self.width, self.hidden)
