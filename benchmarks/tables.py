"""`python -m benchmarks.tables`: RESULTS.md, from the files in `benchmarks/results`.

Every `results/NAME.csv` belongs to `benchmarks/NAME.py`, whose `table(frame)` gives its section as
Markdown and whose docstring has the command. `--check` writes nothing and fails where they differ.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import pandas as pd

from benchmarks.units import RESULTS

PAGE = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

Made by `python -m benchmarks.tables` from the files in `benchmarks/results`; not written by hand.
"""


def page() -> str:
    """What RESULTS.md has to be."""
    sections = []
    for file in sorted(RESULTS.glob("*.csv")):
        module = importlib.import_module(f"benchmarks.{file.stem}")
        title, *text = (module.__doc__ or "").strip().split("\n", 1)
        frame = pd.read_csv(file)
        sections.append(f"## {title.rstrip('.')}\n\n" + "".join(text).strip("\n").rstrip())
        if "scale" in frame and (scales := sorted(frame["scale"].dropna().unique())) != [1.0]:
            told = " and ".join(f"{scale:g}" for scale in scales)
            sections.append(f"Measured with `--scale` {told}: each training's length times that.")
        sections.append(module.table(frame).strip())
    return "\n\n".join([HEAD.strip(), *sections]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit(
            "benchmarks/RESULTS.md is not what the results say: run python -m benchmarks.tables"
        )


if __name__ == "__main__":
    main()
