"""Data frames as tensors and plain data, for files that need no pandas pickle.

Numbers become tensors, words a tensor of codes and the list of different words, and cells that
hold arrays of one shape (images) one stacked tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor


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
        values, record = _pack_column(frame[name])
        tensors[str(number)] = values
        columns.append({"name": str(name), **record})
    return tensors, {"rows": len(frame), "columns": columns}


def unpack(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> pd.DataFrame:
    """The frame that `pack` took apart."""
    columns = {
        column["name"]: _unpack_column(tensors[str(number)], column)
        for number, column in enumerate(record["columns"])
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(record["rows"]))


def _pack_column(column: pd.Series) -> tuple[Tensor, dict[str, Any]]:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        record = {"type": str(column.dtype)}
        if pd.api.types.is_extension_array_dtype(column.dtype):
            return torch.tensor(column.astype("float64").to_numpy(na_value=np.nan)), record
        return torch.tensor(column.to_numpy()), record
    cells = column.tolist()
    if cells and all(isinstance(cell, np.ndarray) for cell in cells):
        return torch.tensor(np.stack(cells)), {"type": "arrays"}
    words = [None if pd.isna(cell) else str(cell) for cell in cells]
    known = list(dict.fromkeys(word for word in words if word is not None))
    place = {word: number for number, word in enumerate(known)}
    codes = torch.tensor([-1 if w is None else place[w] for w in words], dtype=torch.int32)
    return codes, {"type": "words", "words": known, "dtype": str(column.dtype)}


def _unpack_column(values: Tensor, record: Mapping[str, Any]) -> pd.Series:
    if record["type"] == "arrays":
        return pd.Series(list(values.numpy()), dtype=object)
    if record["type"] == "words":
        words = [None if code < 0 else record["words"][code] for code in values.tolist()]
        return pd.Series(words, dtype=record["dtype"])
    return pd.Series(values.numpy()).astype(record["type"])
