"""The visual language of every exported figure: colours, markers, sizes, and how it is applied.

Support is solid and query hollow; before adaptation grey, after it strong; the truth thin and
black (white on dark); steps on one sequential scale whose end is the strongest. A class or a
method has a colour and a marker, so that nothing is told by colour alone.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's eight colours; the first stands for black on paper and white on a dark ground.
OKABE_ITO = {
    "ink": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}
# Blue and orange are orders of gradients: only a seventh and an eighth class come to them.
WRONG = "#D32F2F"  # what is predicted wrongly, always dashed too; panels have the page's own red
_ORDER = ("green", "purple", "vermilion", "sky", "ink", "yellow", "blue", "orange")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")

FIRST_ORDER = OKABE_ITO["blue"]
SECOND_ORDER = OKABE_ITO["orange"]

# rcParams are global: figures made on two threads take turns.
_RC_LOCK = threading.RLock()


class ColumnWidth(Enum):
    """How wide a figure is, in inches.

    >>> ColumnWidth.DOUBLE.value
    7.16
    """

    SINGLE = 3.5  # one column of a two-column page
    DOUBLE = 7.16  # the whole page
    SLIDE = 10.0  # a slide, with text to match


@dataclass(frozen=True)
class Style:
    """How a figure looks: its width, whether it stands on a dark ground, and the scale of what is
    measured: logarithmic or not, and by default where its range asks for that.

    >>> Style(ColumnWidth.SLIDE, dark=True).text_size
    18.0
    """

    width: ColumnWidth = ColumnWidth.SINGLE
    dark: bool = False
    log: bool | None = None

    @property
    def text_size(self) -> float:
        """Size of the text in points."""
        return 18.0 if self.width is ColumnWidth.SLIDE else 8.0

    @property
    def scale(self) -> float:
        """How much heavier lines and markers are than on paper."""
        return self.text_size / 8.0

    def height(self, fraction: float) -> float:
        """Inches: a fraction of a single column's width, flatter where a figure is wide.

        >>> round(Style(ColumnWidth.DOUBLE).height(0.5), 2)
        2.22
        """
        flatter = {ColumnWidth.SINGLE: 1.0, ColumnWidth.DOUBLE: 0.62, ColumnWidth.SLIDE: 0.85}
        return self.width.value * fraction * flatter[self.width]

    @property
    def ink(self) -> str:
        """The colour of text and of the truth."""
        return "#FFFFFF" if self.dark else "#000000"

    @property
    def ground(self) -> str:
        """The colour behind everything."""
        return "#1B1D21" if self.dark else "#FFFFFF"

    @property
    def before(self) -> str:
        """The grey of what was before adaptation."""
        return "#8A8F98" if self.dark else "#8C8C8C"

    @property
    def faint(self) -> str:
        """The grey of lines that only guide the eye."""
        return "#3C4048" if self.dark else "#D5D5D5"

    @property
    def after(self) -> str:
        """The strong colour of what is after adaptation: the end of the steps' scale."""
        return "#C9B3E6" if self.dark else "#54278F"

    @property
    def steps(self) -> Colormap:
        """The sequential scale of inner steps, from faint to strong."""
        faint = "#4A4160" if self.dark else "#CFC5E3"
        return LinearSegmentedColormap.from_list("steps", [faint, self.after])

    def look(self, number: int) -> tuple[str, str]:
        """Colour and marker of the class or method with this number; the first 64 all differ.

        >>> Style().look(0), Style().look(8)
        (('#009E73', 'o'), ('#009E73', 's'))
        """
        name = _ORDER[number % 8]
        colour = self.ink if name == "ink" else OKABE_ITO[name]
        return colour, _MARKERS[(number // 8 + number) % 8]

    def lane(self, number: int) -> tuple[str, str]:
        """Colour and marker of a lane as panels have it: the first is what is after adaptation."""
        if number == 0:
            return self.after, _MARKERS[0]
        return self.look((number - 1) % 6)[0], _MARKERS[number % 8]

    def rc(self) -> dict[str, Any]:
        """Matplotlib's settings for this style."""
        size, scale = self.text_size, self.scale
        return {
            # DejaVu comes with Matplotlib, so a figure is the same on every machine.
            "font.family": ["DejaVu Sans"],
            "font.size": size,
            "axes.titlesize": size,
            "axes.labelsize": size,
            "xtick.labelsize": size * 0.875,
            "ytick.labelsize": size * 0.875,
            "legend.fontsize": size * 0.875,
            "legend.frameon": False,
            "legend.handlelength": 1.8,
            "legend.columnspacing": 1.4,
            "legend.borderaxespad": 0.2,
            "axes.linewidth": 0.6 * scale,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.axisbelow": True,
            "axes.labelpad": 3.0 * scale,
            "xtick.major.width": 0.6 * scale,
            "ytick.major.width": 0.6 * scale,
            "xtick.major.size": 2.5 * scale,
            "ytick.major.size": 2.5 * scale,
            "xtick.minor.visible": False,
            "ytick.minor.visible": False,
            "lines.linewidth": 1.2 * scale,
            "lines.markersize": 3.8 * scale,
            "lines.markeredgewidth": 0.9 * scale,
            "grid.color": self.faint,
            "grid.linewidth": 0.5 * scale,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.edgecolor": self.ink,
            "xtick.color": self.ink,
            "ytick.color": self.ink,
            "axes.facecolor": self.ground,
            "figure.facecolor": self.ground,
            "savefig.facecolor": "auto",
            "savefig.bbox": None,  # exactly the column's width, never cropped
            "figure.constrained_layout.w_pad": 0.04,
            "figure.constrained_layout.h_pad": 0.04,
            "figure.dpi": 100,
            "savefig.dpi": 300,
            # Type 42 embeds whole outlines that publishers accept and editors can search.
            "pdf.fonttype": 42,
            # Outlines: an SVG cannot carry a font, and a reader may not have this one. The words
            # are kept in its description.
            "svg.fonttype": "path",
            "svg.hashsalt": "workbench",  # the same ids every time
            "path.simplify": True,
        }

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Matplotlib under this style, and as it was before once the block ends."""
        with _RC_LOCK, mpl.rc_context(self.rc()):  # type: ignore[arg-type]
            yield


PAPER = Style()  # one column of a paper: the default of every figure


class Keyed(FigureBase):
    """A figure, or a part of one, with a legend as figures here have it."""

    style: Style
    alt_text: str

    def key(self, *axes: Axes) -> None:
        """A legend above everything, in as many columns as the width allows.

        Its entries are the labelled artists of the axes, each label once. The figure grows by
        every line after the first, so that the axes keep their height.
        """
        entries: dict[str, Any] = {}
        for one in axes:
            handles, labels = one.get_legend_handles_labels()
            entries = dict(zip(labels, handles, strict=True)) | entries
        if len(entries) > 1:
            columns = _columns(list(entries), self.style.width.value / self.style.scale)
            more = -(-len(entries) // columns) - 1
            self.grow(0.15 * self.style.scale * more)
            self.legend(
                list(entries.values()), list(entries), loc="outside upper left", ncols=columns
            )

    def grow(self, inches: float) -> None:
        """Be so much higher."""
        raise NotImplementedError


class Plot(Keyed, Figure):
    """A Matplotlib figure that keeps its style and says in words what it shows.

    It has no part in pyplot's registry, so it can be made on any thread and leaks nothing. A
    notebook shows it as it is.
    """

    def __init__(self, style: Style, height: float) -> None:
        """A blank figure of the style's width and a height in inches."""
        with style.applied():
            super().__init__(figsize=(style.width.value, height), layout="constrained")
        self.style = style
        self.alt_text = ""

    def grow(self, inches: float) -> None:
        """Be so much higher."""
        self.set_figheight(self.get_figheight() + inches)

    def draw(self, renderer: Any) -> None:
        """Draw under the figure's own style, whatever the settings around it are."""
        with self.style.applied():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write under the figure's own style (use `workbench.figures.save` to add a receipt)."""
        with self.style.applied():
            super().savefig(fname, **options)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a notebook shows: the picture, and its description where there are no pictures."""
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=192)
        return (
            {"image/png": png.getvalue(), "text/plain": self.alt_text},
            {"image/png": {"width": width, "height": height}},
        )


def _columns(labels: list[str], width: float) -> int:
    """Into how many columns a legend of these labels fits, by the usual width of a letter."""
    for columns in range(len(labels), 1, -1):
        parts = np.array_split([len(label) for label in labels], columns)
        if sum(0.058 * max(part) + 0.44 for part in parts) <= width:
            return columns
    return 1


class Part(Keyed, SubFigure):
    """A place on a page for what is a figure of its own elsewhere."""

    def __init__(self, page: Plot, place: SubplotSpec) -> None:
        """A blank part of a page, as high as its place."""
        super().__init__(page, place)
        self.style, self.alt_text = page.style, ""
        page.subfigs.append(self)

    def grow(self, inches: float) -> None:
        """Nothing: its place is as high as the figure came to be by itself."""

    def set_layout_engine(self, layout: str) -> None:
        """Nothing: the page has one."""


_PLACE: ContextVar[Part | None] = ContextVar("place", default=None)
_NOTICE: ContextVar[str] = ContextVar("notice", default="")


def announce(notice: str) -> None:
    """The next figure says this sentence below everything, and in its text."""
    _NOTICE.set(notice)


@contextmanager
def drawn_on(part: Part) -> Iterator[None]:
    """What is drawn meanwhile is drawn there."""
    before = _PLACE.set(part)
    try:
        yield
    finally:
        _PLACE.reset(before)


@contextmanager
def drawing(style: Style, height: float) -> Iterator[Plot]:
    """A blank figure of a height in inches, to draw on under its style.

    What was announced stands below it.
    """
    part, notice = _PLACE.get(), _NOTICE.get()
    _NOTICE.set("")
    with style.applied():
        plot: Any = Plot(style, height) if part is None else part
        yield plot
        if notice:
            _say(plot, notice, style)


def _say(plot: Plot, notice: str, style: Style) -> None:
    """Below everything, in a strip that the figure grows by; a part of a page leaves it to that."""
    if not isinstance(plot, Plot):
        return
    plot.alt_text += f" {notice[0].upper()}{notice[1:]}."
    strip, before = 0.18 * style.scale, plot.get_figheight()
    plot.grow(strip)
    share, engine = strip / (before + strip), plot.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, share, 1, 1 - share))
    else:
        for axes in plot.axes:
            box = axes.get_position()
            axes.set_position(
                (box.x0, share + box.y0 * (1 - share), box.width, box.height * (1 - share))
            )
    size = style.text_size * 0.875
    plot.text(0.01, share / 4, notice, fontsize=size, style="italic", color=style.ink, va="bottom")
