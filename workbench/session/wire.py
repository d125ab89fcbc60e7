"""Frames on their way to the browser: columns of little-endian numbers, and words as codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from workbench.measures import Record, records


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


def to_wire(frame: pd.DataFrame) -> WireFrame:
    """A frame as plain data with binary columns, as `extensions/src/frame.ts` reads it.

    >>> wire = to_wire(pd.DataFrame({"step": [0, 1], "part": ["support", None]}))
    >>> [(c["name"], c["type"], len(c["data"])) for c in wire["columns"]]
    [('step', 'integer', 8), ('part', 'words', 8)]
    """
    columns = [_column(str(name), frame[name]) for name in frame.columns]
    return {"rows": len(frame), "columns": columns, "measures": dict(records(frame))}


def _column(name: str, column: pd.Series) -> WireColumn:
    if column.dtype == np.float64:  # most columns, and the way below takes pandas ten times as long
        return {"name": name, "type": "number", "data": column.to_numpy("<f8").tobytes()}
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return {"name": name, "type": "number", "data": column.to_numpy("<f8").tobytes()}
    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return {"name": name, "type": "boolean", "data": column.to_numpy("uint8").tobytes()}
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        whole = column.to_numpy("int64")
        if len(whole) == 0 or (whole.min() >= -(2**31) and whole.max() < 2**31):
            return {"name": name, "type": "integer", "data": whole.astype("<i4").tobytes()}
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        numbers = column.astype("Float64").to_numpy("<f8", na_value=np.nan)
        return {"name": name, "type": "number", "data": numbers.tobytes()}
    cells = column.tolist()
    if cells and all(isinstance(cell, np.ndarray) for cell in cells):
        arrays = np.stack(cells).astype("<f4")
        return {
            "name": name,
            "type": "arrays",
            "data": arrays.tobytes(),
            "shape": list(arrays.shape[1:]),
        }
    words = [None if pd.isna(cell) else str(cell) for cell in cells]
    known = list(dict.fromkeys(word for word in words if word is not None))
    place = {word: number for number, word in enumerate(known)}
    codes = np.array([-1 if word is None else place[word] for word in words], dtype="<i4")
    return {"name": name, "type": "words", "data": codes.tobytes(), "words": known}
