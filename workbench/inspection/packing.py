"""Data frames as tensors and plain data, for files that need no pandas pickle.

Numbers become tensors, words a tensor of codes and the list of different words, and cells that
hold arrays of one shape (images) one stacked tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pandas as pd
import torch
from torch import Tensor

from workbench.fields import Range, check_fields
from workbench.measures import (
    Measure,
    diverged_in,
    is_measure,
    marked,
    noted,
    notice_in,
    records,
    warned,
)
from workbench.tasks.storage import check
from workbench.wire import taken_apart

# The types of columns of numbers.
_NUMBERS = {
    *("bool", "boolean", "float16", "float32", "float64", "Float32", "Float64"),
    *(f"{sign}{width}" for sign in ("int", "uint", "Int", "UInt") for width in (8, 16, 32, 64)),
}


def pack(frame: pd.DataFrame) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A frame's columns as tensors, and the record that `unpack` needs beside them.

    >>> frame = pd.DataFrame({"step": [0, 1], "part": ["support", "query"]})
    >>> tensors, record = pack(frame)
    >>> unpack(tensors, record).equals(frame)
    True
    """
    tensors: dict[str, Tensor] = {}
    columns: list[dict[str, Any]] = []
    for number, name in enumerate(frame.columns):
        values, words = taken_apart(frame[name])
        dtype = str(frame[name].dtype)
        record: dict[str, Any] = {"type": "arrays" if values.ndim > 1 else dtype}
        if words is not None:
            record = {"type": "words", "words": words, "dtype": dtype}
        tensors[str(number)] = torch.tensor(values)
        columns.append({"name": str(name), **record})
    measures = list(records(frame).values())
    more: dict[str, Any] = {"measures": measures} if measures else {}
    if diverged := diverged_in(frame):
        more["diverged"] = diverged
    if notice := notice_in(frame):
        more["notice"] = notice
    return tensors, {"rows": len(frame), "columns": columns, **more}


def unpack(
    tensors: Mapping[str, Tensor], record: Mapping[str, Any], most: int = 2**31
) -> pd.DataFrame:
    """The frame that `pack` took apart, refused where it is none.

    `most` bounds what counts or numbers something: figures make room for as many.
    """
    frame = _Frame(**record)
    columns = {}
    for number, said in enumerate(frame.columns):
        name, values = said["name"], tensors[str(number)]
        check(isinstance(name, str) and name not in columns, "a column has no name of its own")
        check(values.dim() > 0 and len(values) == frame.rows, f"'{name}' has not as many rows")
        check(not values.is_complex(), f"'{name}' is complex")
        columns[name] = _unpack_column(values, said, most)
    made = marked(pd.DataFrame(columns, index=pd.RangeIndex(frame.rows)), frame.diverged)
    made = warned(made, frame.notice)
    return noted(made, [Measure(**said) for said in frame.measures]) if frame.measures else made


@dataclass(frozen=True)
class _Frame:
    """The record that `pack` makes."""

    rows: Annotated[int, Range(0, 2**31)]
    columns: list[dict[str, Any]]
    measures: list[dict[str, Any]] = field(default_factory=list)
    diverged: dict[str, str] = field(default_factory=dict)
    notice: str = ""

    def __post_init__(self) -> None:
        check_fields(self, "frame")
        check(isinstance(self.columns, list), "columns is no list")
        good = isinstance(self.measures, list) and all(is_measure(said) for said in self.measures)
        check(good, "measures are none")
        told = self.diverged.items() if isinstance(self.diverged, dict) else [(0, 0)]
        check(all(isinstance(k, str) and isinstance(v, str) for k, v in told), "diverged is none")


def _unpack_column(values: Tensor, record: Mapping[str, Any], most: int) -> pd.Series:
    name, kind = record["name"], record["type"]
    if kind == "arrays":
        check(values.dim() > 1 and values[0].numel() > 0, f"'{name}' holds no arrays")
        return pd.Series(list(values.numpy()), dtype=object)
    check(values.dim() == 1, f"'{name}' has more than a value a row")
    if kind == "words":
        known, dtype = record["words"], record["dtype"]
        check(isinstance(known, list) and all(isinstance(w, str) for w in known), "words are none")
        check(values.dtype == torch.int32, f"'{name}' has no codes")
        inside = values.numel() == 0 or (int(values.min()) >= -1 and int(values.max()) < len(known))
        check(inside, f"'{name}' has codes without words")
        check(dtype in ("object", "str", "string"), f"'{name}' is of no known type")
        words = [None if code < 0 else known[code] for code in values.tolist()]
        return pd.Series(words, dtype=dtype)
    check(kind in _NUMBERS, f"'{name}' is of no known type")
    if kind.lower().startswith(("int", "uint")) and values.numel():
        whole = values[~values.isnan()]
        check(bool(((whole >= -most) & (whole <= most)).all()), f"'{name}' counts past {most}")
    return pd.Series(values.numpy()).astype(kind)
