"""Long measurements in units: one training of one method with one seed each, side by side.

A benchmark says its units and what measures one; what each found is appended to
`benchmarks/results/NAME.csv` as soon as it is there, so that a measurement that was stopped goes on
with the units that are missing. `python -m benchmarks.tables` makes RESULTS.md of the files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).with_name("results")
Unit = Mapping[str, Any]
Rows = list[dict[str, Any]]
_READABLE = 60  # characters of a cell: what is longer, a number for each task, is not printed


def arguments(name: str, description: str) -> argparse.ArgumentParser:
    """The flags that every benchmark of units has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=1, help="units at a time, a process each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the training's length")
    parser.add_argument("--only", nargs="*", default=None, help="methods, by name")
    return parser


def measure(
    units: Sequence[Unit], work: Callable[..., Rows], out: Path, *, workers: int = 1
) -> pd.DataFrame:
    """`work(**unit)` for each unit that `out` lacks; its rows go there, with the unit's values."""
    if not units:
        raise SystemExit("no unit is of the names after --only: the table says how they are called")
    out.parent.mkdir(parents=True, exist_ok=True)
    missing = [unit for unit in units if not _held(out, unit)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        waiting = {pool.submit(work, **unit): unit for unit in missing}
        for done in as_completed(waiting):
            unit = waiting[done]
            if (error := done.exception()) is not None:  # the other units go on
                print(f"{dict(unit)} failed:", *traceback.format_exception(error), sep="\n")
                continue
            rows = pd.DataFrame([{**unit, **row} for row in done.result()])
            found = pd.concat([pd.read_csv(out), rows]) if out.exists() else rows
            found.to_csv(out, index=False)
            lists = [n for n in rows if rows[n].astype(str).str.len().max() > _READABLE]
            print(rows.drop(columns=lists).to_string(index=False), flush=True)
    return pd.read_csv(out)


def _held(out: Path, unit: Unit) -> bool:
    if not out.exists():
        return False
    rows = pd.read_csv(out)
    for name, value in unit.items():
        if name not in rows:
            return False
        rows = rows[[_same(found, value) for found in rows[name]]]
    return len(rows) > 0


def _same(found: Any, value: Any) -> bool:
    """Whether a file's cell is the value: whole numbers are read as floats beside missing ones."""
    if isinstance(found, float) and isinstance(value, int | float):
        return found == value
    return str(found) == str(value)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # whatever is measured: nobody would write it down
