"""Frames as tables of text: LaTeX and CSV."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from workbench.errors import UserError
from workbench.numbers import number

MOST_ROWS = 60  # about a page

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
# Columns that say which one, from 0, as Python counts.
_PLACES = {
    "task", "example", "shot", "label", "prediction", "arm", "first", "second", "rank", "query",
    "entry", "class", "slot",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as people read it: tasks, examples, classes and slots count from 1.

    Steps are a number of steps taken: 0 is before adaptation, in frames and for people.

    >>> counted(pd.DataFrame({"task": [0, 1], "step": [0, 0]})).to_dict("list")
    {'task': [1, 2], 'step': [0, 0]}
    """
    places = [name for name in frame if name in _PLACES and is_numeric_dtype(frame[name])]
    return frame.assign(**{str(name): frame[name] + 1 for name in places})


def latex_table(frame: pd.DataFrame, note: str = "") -> str:
    r"""A frame as a `tabular` with rules of the package booktabs, to three significant digits.

    Columns of arrays (images) are left out; places count from 1, as in `counted`. A note stands
    above it as a comment.

    >>> print(latex_table(pd.DataFrame({"layer_name": ["head"], "norm": [0.0123456]})))
    % needs \usepackage{booktabs}
    \begin{tabular}{lr}
    \toprule
    layer\_name & norm \\
    \midrule
    head & 0.0123 \\
    \bottomrule
    \end{tabular}
    <BLANKLINE>
    """
    if len(frame) > MOST_ROWS:
        raise UserError(
            f"a LaTeX table of {len(frame):,} rows fits on no page ({MOST_ROWS} do): "
            "export the figure, or the frame as CSV"
        )
    frame = counted(frame)
    shown = [name for name in frame.columns if not _has_arrays(frame[name])]
    numeric = [is_numeric_dtype(frame[n]) and not is_bool_dtype(frame[n]) for n in shown]
    lines = [f"% {line}" for line in note.splitlines()]
    lines += [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{''.join('r' if is_number else 'l' for is_number in numeric)}}}",
        r"\toprule",
        _row([escaped(str(name)) for name in shown]),
        r"\midrule",
        *(_row([_cell(cell) for cell in row]) for row in frame[shown].itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def csv_table(frame: pd.DataFrame) -> str:
    """A frame as comma-separated values, without columns of arrays (images), which fit no cell.

    >>> csv_table(pd.DataFrame({"image": [np.zeros((2, 2))], "label": [3]}))
    'label\\n3\\n'
    """
    shown = [name for name in frame.columns if not _has_arrays(frame[name])]
    return frame[shown].to_csv(index=False)


def escaped(text: str) -> str:
    r"""Text as LaTeX takes it.

    >>> escaped("50% of A_1")
    '50\\% of A\\_1'
    """
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: object) -> str:
    if pd.isna(cell):
        return "--"
    if isinstance(cell, bool | np.bool_):
        return "yes" if cell else "no"
    if isinstance(cell, int | np.integer):
        return str(cell).replace("-", "$-$")
    if isinstance(cell, float | np.floating):
        return _number(float(cell))
    return escaped(str(cell))


def _number(value: float) -> str:
    """Three significant digits, powers of ten as LaTeX sets them."""
    if not np.isfinite(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = number(value).replace("−", "-").replace(",", "{,}")
    head, times, power = text.partition("10") if "×10" in text else (text, "", "")
    if times:
        return f"${head.rstrip('×')} \\times 10^{{{power.translate(_SUPERSCRIPTS)}}}$"
    if any(mark in text for mark in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        return f"$10^{{{text.partition('10')[2].translate(_SUPERSCRIPTS)}}}$"
    return f"${text}$" if text.startswith("-") or "{,}" in text else text


def _has_arrays(column: pd.Series) -> bool:
    return any(isinstance(cell, np.ndarray) for cell in column)
