"""Tidy frames out of many small pieces, made at once: a frame for each piece would be slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def table(pieces: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of all pieces; a piece maps columns to arrays of one length, or to one value.

    >>> table([{"step": 0, "loss": np.array([1.0, 2.0])}, {"step": 1, "loss": np.array([0.5])}])
       step  loss
    0     0   1.0
    1     0   2.0
    2     1   0.5
    """
    lengths = [
        max((len(v) for v in piece.values() if isinstance(v, np.ndarray)), default=1)
        for piece in pieces
    ]
    columns: dict[str, Any] = {}
    for name in pieces[0]:
        values = [piece[name] for piece in pieces]
        if all(isinstance(value, np.ndarray) for value in values):
            columns[name] = np.concatenate(values)
        elif all(isinstance(value, int) for value in values):
            columns[name] = np.repeat(values, lengths)
        else:
            columns[name] = [
                one
                for value, length in zip(values, lengths, strict=True)
                for one in (value.tolist() if isinstance(value, np.ndarray) else [value] * length)
            ]
    return pd.DataFrame(columns)


def finite(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what is infinite missing."""
    for name, column in frame.items():
        numbers = column.to_numpy() if column.dtype.kind == "f" else None
        if numbers is not None and np.isinf(numbers).any():
            frame = frame.assign(**{str(name): np.where(np.isinf(numbers), np.nan, numbers)})
    return frame
