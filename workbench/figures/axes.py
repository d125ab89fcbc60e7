"""Numbers on axes: three significant digits, units, logarithms where the range asks for them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, LogLocator, MaxNLocator, NullLocator

from workbench.figures.style import Plot, Style
from workbench.measures import Measure, diverged_in
from workbench.numbers import number


def short(name: str, most: int = 14) -> str:
    """A name, its middle replaced by … where it is too long for its place.

    >>> short("Prototypical Networks")
    'Prototy…tworks'
    """
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - half]}…{name[-half:]}"


def two_lines(name: str, wide: int = 18) -> str:
    """A name on up to two lines, shortened where it needs more."""
    return "\n".join(textwrap.wrap(short(name, 2 * wide - 6), wide))


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


def logarithmic(style: Style, values: pd.Series | np.ndarray) -> bool:
    """Whether the axis of what is measured is logarithmic: as the style says, or values ask for.

    >>> logarithmic(Style(), np.array([0.01, 1.0])), logarithmic(Style(log=False), np.ones(2))
    (True, False)
    """
    return asks_for_log(values) if style.log is None else style.log


def dress(axis: Axis, *, log: bool = False, whole: bool = False, most: int = 6) -> None:
    """Give an axis its scale and its tick labels; `whole` keeps ticks to whole numbers.

    most  how many steps from tick to tick there are at most
    """
    if log:
        axis._set_axes_scale("log")  # type: ignore[attr-defined]
    if log:
        low, high = sorted(axis.get_view_interval())
        few = high / max(low, 1e-300) < 10**2.2
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=8))
    else:
        axis.set_major_locator(MaxNLocator(nbins=most, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(ThreeDigits())


def dress_measure(axes: Axes, measure: Measure, values: pd.Series, style: Style) -> None:
    """Give the upright axis a measure's label and scale, and a dotted line where guessing is.

    `values` are those that are shown, times the measure's factor.
    """
    log = measure.unit != "%" and logarithmic(style, values)
    if measure.chance is not None and not (log and measure.chance <= 0):
        axes.axhline(measure.chance * measure.factor, color=style.before, linestyle=":", zorder=0)
    axes.set_ylabel(measure.axis)
    dress(axes.yaxis, log=log)


def mark_step(axes: Axes, step: int | None, colour: str) -> None:
    """A thin upright line at the inner step that is looked at, as panels have it."""
    if step is not None:
        axes.axvline(step, color=colour, linewidth=0.6, zorder=0, gid="step")


def reach(values: pd.Series | np.ndarray, usual: pd.Series | np.ndarray) -> tuple[float, float]:
    """The range of an axis: that of all values, as far as they are near to the usual ones.

    Near is within the span of the usual, or their size; what runs away leaves the axes.

    >>> reach(np.array([0.0, 2.0, 1e9]), np.array([0.0, 1.0]))
    (0.0, 2.0)
    """
    found, own = (np.asarray(some, dtype=float) for some in (values, usual))
    own = own[np.isfinite(own)]
    low, high = float(own.min()), float(own.max())
    far = max(high - low, abs(high), abs(low))
    near = found[np.isfinite(found) & (found >= low - far) & (found <= high + far)]
    return float(min([low, *near])), float(max([high, *near]))


def tell_diverged(plot: Plot, frame: pd.DataFrame, style: Style) -> None:
    """Say below the figure, and in its text, what of the frame diverged."""
    ended = diverged_in(frame)
    text = "; ".join(f"{name}: {said}" if name else said for name, said in ended.items())
    if not text or text in plot.alt_text:
        return
    plot.alt_text += f" {text}."
    wrapped = "\n".join(textwrap.wrap(text, 60))
    footnote(plot, wrapped, style, style.ink)


def footnote(plot: Plot, text: str, style: Style, colour: str) -> None:
    """A small line below the whole figure."""
    plot.supxlabel(text, fontsize=style.text_size * 0.875, color=colour, x=0.01, ha="left")


def note(axes: Axes, text: str, colour: str) -> None:
    """A small line above the axes saying what is shown, such as what an interval is over."""
    size = axes.xaxis.label.get_fontsize()
    axes.set_title(text, fontsize=float(size) * 0.875, color=colour)
