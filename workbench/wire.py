"""Frames on their way to the browser: columns of little-endian numbers, and words as codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from workbench.measures import Record, diverged_in, notice_in, records


class WireColumn(TypedDict):
    """A column on the wire; numbers are little endian."""

    name: str
    type: Literal["number", "integer", "boolean", "words", "arrays"]
    data: bytes  # float64, int32, uint8, int32 (codes) or float32
    words: NotRequired[list[str]]  # what the codes of words stand for; -1 is a missing word
    shape: NotRequired[list[int]]  # of one cell of arrays


class WireFrame(TypedDict):
    """A frame on the wire."""

    rows: int
    columns: list[WireColumn]
    measures: Mapping[str, Record]  # what its numbers are, by name
    diverged: Mapping[str, str]  # what of it diverged, as a sentence, by name
    notice: NotRequired[str]  # a sentence that every picture of it says


def to_wire(frame: pd.DataFrame) -> WireFrame:
    """A frame as plain data with binary columns, as `extensions/src/frame.ts` reads it.

    >>> wire = to_wire(pd.DataFrame({"step": [0, 1], "part": ["support", None]}))
    >>> [(c["name"], c["type"], len(c["data"])) for c in wire["columns"]]
    [('step', 'integer', 8), ('part', 'words', 8)]
    """
    columns = [_column(str(name), frame[name]) for name in frame.columns]
    wire: WireFrame = {
        "rows": len(frame),
        "columns": columns,
        "measures": dict(records(frame)),
        "diverged": diverged_in(frame),
    }
    if notice := notice_in(frame):
        wire["notice"] = notice
    return wire


def taken_apart(column: pd.Series) -> tuple[np.ndarray, list[str] | None]:
    """A column as one array with a row for each cell; of words their codes, and the words.

    A missing number is NaN, a missing word -1.

    >>> taken_apart(pd.Series(["support", None, "support"]))
    (array([ 0, -1,  0], dtype=int32), ['support'])
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufc":
        return column.to_numpy(), None  # most columns: what is asked below takes pandas long
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        missing = bool(column.isna().any())
        return (column.astype("float64") if missing else column).to_numpy(), None
    cells = column.tolist()
    if cells and all(isinstance(cell, np.ndarray) for cell in cells):
        return np.stack(cells), None
    words = [None if pd.isna(cell) else str(cell) for cell in cells]
    known = list(dict.fromkeys(word for word in words if word is not None))
    place = {word: number for number, word in enumerate(known)}
    codes = [-1 if word is None else place[word] for word in words]
    return np.array(codes, dtype=np.int32), known


def _column(name: str, column: pd.Series) -> WireColumn:
    values, words = taken_apart(column)
    if words is not None:
        return {"name": name, "type": "words", "data": _bytes(values, "<i4"), "words": words}
    if values.ndim > 1:
        shape = list(values.shape[1:])
        return {"name": name, "type": "arrays", "data": _bytes(values, "<f4"), "shape": shape}
    if values.dtype.kind == "b":
        return {"name": name, "type": "boolean", "data": _bytes(values, "u1")}
    narrow = len(values) == 0 or (values.min() >= -(2**31) and values.max() < 2**31)
    if values.dtype.kind in "iu" and narrow:
        return {"name": name, "type": "integer", "data": _bytes(values, "<i4")}
    return {"name": name, "type": "number", "data": _bytes(values, "<f8")}


def _bytes(values: np.ndarray, dtype: str) -> bytes:
    return values.astype(dtype).tobytes()
