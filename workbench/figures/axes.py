"""Numbers on axes: three significant digits, units, logarithms where the range asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, LogLocator, MaxNLocator, NullLocator

from workbench.measures import Measure

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number as figures write it, to three significant digits.

    >>> number(0.34567), number(70000), number(-0.5), number(0.00012)
    ('0.346', '70,000', '−0.5', '1.2×10⁻⁴')
    """
    if not np.isfinite(value):
        return str(value)
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0:
        return "0"
    if 1e-3 <= abs(rounded) < 1e6:
        text = f"{rounded:,.10f}".rstrip("0").rstrip(".")
    else:
        mantissa, exponent = f"{rounded:e}".split("e")
        head = f"{float(mantissa):g}×" if abs(float(mantissa)) != 1 else mantissa[0].strip("1")
        text = f"{head}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def short(name: str, most: int = 14) -> str:
    """A name, its middle replaced by … where it is too long for its place.

    >>> short("Prototypical Networks")
    'Prototy…tworks'
    """
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"


class ThreeDigits(Formatter):
    """Tick labels of three significant digits, or of as many as tell the ticks apart."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """One tick's label."""
        return number(x)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """All ticks' labels."""
        log = isinstance(self.axis, Axis) and self.axis.get_scale() == "log"  # nothing is nearly 0
        shown = values if log else [_clean(value, values) for value in values]
        for digits in range(3, 9):
            labels = [number(value, digits) for value in shown]
            if len(set(labels)) == len(set(values)):
                return labels
        return labels


def _clean(value: float, values: Sequence[float]) -> float:
    """Zero where a tick is only nearly zero beside the others."""
    return 0.0 if abs(value) < 1e-9 * max(abs(other) for other in values) else value


def asks_for_log(values: pd.Series | np.ndarray) -> bool:
    """Whether values are all positive and span more than a factor of thirty.

    >>> asks_for_log(np.array([0.01, 1.0])), asks_for_log(np.array([0.0, 1.0]))
    (True, False)
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > 30 * finite.min())


def dress(axis: Axis, *, log: bool = False, whole: bool = False) -> None:
    """Give an axis its scale and its tick labels; `whole` keeps ticks to whole numbers."""
    if log:
        axis._set_axes_scale("log")  # type: ignore[attr-defined]
    if log:
        low, high = sorted(axis.get_view_interval())
        few = high / max(low, 1e-300) < 10**2.2
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=8))
    else:
        axis.set_major_locator(MaxNLocator(nbins=6, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(ThreeDigits())


def dress_measure(axes: Axes, measure: Measure, values: pd.Series, colour: str) -> None:
    """Give the upright axis a measure's label and scale, and a dotted line where guessing is.

    `values` are those that are shown, times the measure's factor.
    """
    log = measure.unit != "%" and asks_for_log(values)
    if measure.chance is not None and not (log and measure.chance <= 0):
        axes.axhline(measure.chance * measure.factor, color=colour, linestyle=":", zorder=0)
    axes.set_ylabel(measure.axis)
    dress(axes.yaxis, log=log)


def note(axes: Axes, text: str, colour: str) -> None:
    """A small line above the axes saying what is shown, such as what an interval is over."""
    size = axes.xaxis.label.get_fontsize()
    axes.set_title(text, fontsize=float(size) * 0.875, color=colour)
