"""What a figure asks of a frame, checked before anything is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from workbench.errors import UserError, nearest
from workbench.figures.style import announce
from workbench.measures import notice_in
from workbench.numbers import number


def require(
    frame: pd.DataFrame, figure: str, columns: Iterable[str], maker: str, numeric: Iterable[str]
) -> None:
    """Refuse a frame that lacks rows or a column, or holds words where numbers belong.

    What the frame has to say of itself is announced to the figure that is drawn next.

    figure   name of the figure, for the message
    maker    name of the function that makes such frames, the cure: one of `workbench.inspection`,
             or with its part, as in 'training.Study.history'
    numeric  those of the columns that must be numbers

    >>> require(pd.DataFrame({"stpe": [1]}), "loss_by_step", ["step"], "step_frame", [])
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: loss_by_step needs a column 'step', and the frame has none: \
did you mean 'stpe'? workbench.inspection.step_frame makes such frames
    """
    maker = maker if "." in maker else f"inspection.{maker}"
    for column in columns:
        if column not in frame.columns:
            known = [str(name) for name in frame.columns]
            guess = nearest(column, known)
            hint = f"{guess} " if guess.startswith("did") else ""
            raise UserError(
                f"{figure} needs a column {column!r}, and the frame has none: "
                f"{hint}workbench.{maker} makes such frames"
            )
    if frame.empty:
        raise UserError(
            f"{figure} was given a frame without rows: fill it, for example by workbench.{maker}"
        )
    for column in numeric:
        if not is_numeric_dtype(frame[column]):
            raise UserError(
                f"{figure} needs numbers in the column {column!r}, and it holds "
                f"{frame[column].iloc[0]!r}: convert it, for example by pandas.to_numeric"
            )
        if not np.isfinite(frame[column].to_numpy(dtype=float)).any():
            raise UserError(
                f"{figure} found no finite number in the column {column!r}: "
                "the run diverged or nothing was measured, so look at its losses first"
            )
    announce(notice_in(frame))


def of_task(frame: pd.DataFrame, task: int | None) -> tuple[pd.DataFrame, str]:
    """The rows of a task, of all where it is None, and which tasks those are, in words.

    >>> frame = pd.DataFrame({"task": [0, 1], "loss": [0.5, 0.7]})
    >>> of_task(frame, 1)[1], of_task(frame, None)[1], of_task(frame[:1], None)[1]
    ('task 2 of 2', 'mean of 2 tasks', 'one task')
    """
    known = sorted(frame["task"].unique())
    if task is None or len(known) == 1:
        return frame, f"mean of {number(len(known))} tasks" if len(known) > 1 else "one task"
    if task not in known:
        raise UserError(f"the frame has no task {task}: choose {known[0]} to {known[-1]}")
    return frame[frame["task"] == task], f"task {task + 1} of {number(len(known))}"


def ordered(values: pd.Series) -> list[str]:
    """The different values of a column, in the order in which they first appear."""
    return [str(value) for value in values.unique()]


def frame_sha256(frame: pd.DataFrame) -> str:
    """A fingerprint of a frame's columns and values, arrays in cells included.

    >>> frame_sha256(pd.DataFrame({"x": [1.0]})) == frame_sha256(pd.DataFrame({"x": [1.5]}))
    False
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name].to_numpy()
        digest.update(f"{name}:{len(values)};".encode())
        if values.dtype.kind in "biuf":
            digest.update(np.ascontiguousarray(values).tobytes())
            continue
        for cell in values:
            if isinstance(cell, np.ndarray):
                digest.update(str((cell.shape, cell.dtype.str)).encode() + cell.tobytes())
            else:
                digest.update(f"{cell!r};".encode())
    return digest.hexdigest()
