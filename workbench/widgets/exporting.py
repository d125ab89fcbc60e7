"""Files for a paper: any view as PDF, SVG, PNG, CSV, LaTeX table, page or trace, with a receipt.

A `Subject` is what is exported: a frame, and the lines of Python that make it again. Panels that
can export are `Exporting`; the dialog in the browser asks them for previews and files.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from workbench.errors import UserError
from workbench.fields import Field, check_fields, describe, with_values
from workbench.figures import ColumnWidth, Plot, Receipt, Style, counted, draw, latex_table, render
from workbench.figures.tables import csv_table
from workbench.files import write_safely, writing
from workbench.inspection.kinds import inspection_named
from workbench.receipts import FORMATS as FIGURES
from workbench.session.messages import Exported, Preview
from workbench.session.turns import one_at_a_time
from workbench.widgets.panel import command

if TYPE_CHECKING:
    from workbench.session.session import Session

Format = Literal["pdf", "svg", "png", "csv", "tex", "metatrace", "html"]
Scale = Literal["automatic", "log", "linear"]
FOLDER = Path("figures")  # beside the notebook

_MEDIA = {
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv",
    "tex": "application/x-tex",
    "html": "text/html",
    "metatrace": "application/octet-stream",
}
_PREVIEWED = 4_000  # letters of a table


@dataclass(frozen=True)
class ExportSettings:
    """What a file looks like."""

    # pdf, svg and png are figures, csv and tex tables; metatrace and html hold the whole session
    format: Format = "pdf"
    width: Literal["single", "double", "slide"] = "single"  # a paper's column, its page, a slide
    dark: bool = False  # on a dark ground
    scale: Scale = "automatic"  # of what is measured: automatic is log where the range asks for it

    def __post_init__(self) -> None:
        check_fields(self, "export")

    @property
    def style(self) -> Style:
        """How the figure is drawn."""
        log = None if self.scale == "automatic" else self.scale == "log"
        return Style(ColumnWidth[self.width.upper()], self.dark, log)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is exported.

    kind           what it is
    code           the lines that make `frame` again
    configuration  of the experiment, for the receipt
    session        for formats that hold a whole session
    figure         draws it: see `workbench.figures.draw`
    step, task     the inner step and the task that are looked at
    lanes          of the session that the frame is of
    options        of the figure
    """

    kind: str
    frame: pd.DataFrame
    code: str
    seed: int = 0
    configuration: Mapping[str, Any] = field(default_factory=dict)
    session: Session | None = None
    figure: str | Callable[..., Plot] | None = None
    step: int | None = None
    task: int | None = None
    lanes: Sequence[int] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(session: Session, kind: str, lanes: Sequence[int] | None = None) -> Subject:
        """A kind of inspection of some lanes, by default those that are drawn, at the current task
        and step."""
        source = session.source
        lanes = session.beside(kind) if lanes is None else tuple(lanes)
        return Subject(
            kind,
            session.frame(kind, lanes),
            session.code(kind, lanes),
            session.state.sampling.seed,
            {} if source is None else source.about.get("experiment", {}),
            session,
            inspection_named(kind, session.inspections).figure,
            session.cursor.step,
            session.cursor.task,
            lanes,
        )

    @property
    def receipt(self) -> Receipt:
        """Where the file comes from."""
        return Receipt.of(
            self.frame, code=self.code, seed=self.seed, configuration=self.configuration
        )

    def plot(self, settings: ExportSettings) -> Plot:
        """The figure."""
        return draw(
            self.figure,
            self.frame,
            style=settings.style,
            step=self.step,
            task=self.task,
            lanes=self.lanes,
            **self.options,
        )

    def content(self, settings: ExportSettings) -> bytes:
        """The file's bytes."""
        if settings.format in FIGURES:
            return render(self.plot(settings), settings.format, self.receipt)
        if settings.format == "csv":
            return csv_table(counted(self.frame)).encode()
        if settings.format == "tex":
            return latex_table(self.frame, f"receipt: {self.receipt.to_json()}").encode()
        return self._whole(settings.format)

    def _whole(self, format: str) -> bytes:
        if self.session is None:
            raise UserError(f".{format} holds a session, and this is none: choose another format")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"session.{format}"
            if format == "html":
                from workbench.session.page import write_page

                write_page(self.session, path)
            else:
                self.session.tape.save(path)
            return path.read_bytes()


def export(
    session: Session,
    kind: str,
    path: Path | str,
    *,
    lanes: Sequence[int] | None = None,
    width: str = "single",
    dark: bool = False,
    scale: Scale = "automatic",
) -> Path:
    """Write what a session shows to a file, with its receipt; the ending chooses the format.

    lanes  whose adaptations it shows, by default those that `Session.draw` does
    width  single, double or slide
    scale  log, linear or automatic, of what is measured

    >>> import tempfile
    >>> from workbench.widgets import Session
    >>> session = Session("sinusoid-maml", count=2, queries=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(session, "curves", f"{folder}/curves.pdf", width="double").name
    'curves.pdf'
    """
    path = Path(path)
    format = path.suffix.lstrip(".").lower()
    asked = {"format": format, "width": width, "dark": dark, "scale": scale}
    settings = with_values(ExportSettings(), asked)
    with one_at_a_time():
        _write(path, Subject.of(session, kind, lanes).content(settings))
    return path


def _write(path: Path, content: bytes) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_safely(path, content)


class Exporting:
    """What a panel needs to export: `subject` says what of."""

    def subject(self, kind: str, lanes: Sequence[int] | None = None) -> Subject:
        """What is exported under that name; of these lanes, where it is a session's."""
        raise NotImplementedError

    @command
    def export_form(self) -> list[Field]:
        """Controls for the file's settings."""
        return describe(ExportSettings())

    @command
    def preview(self, kind: str, lanes: list[int] | None = None, **settings: Any) -> Preview:
        """What the file will be: its picture or its text, in words, and its receipt."""
        chosen = with_values(ExportSettings(), settings)
        subject = self.subject(kind, lanes)
        about: Preview = {
            "name": _free(kind, chosen.format),
            "folder": str(FOLDER),
            "receipt": subject.receipt.to_json(),
            "code": self._lines(subject, chosen, FOLDER / _free(kind, chosen.format)),
            "rows": len(subject.frame),
        }
        if chosen.format in FIGURES:
            plot = subject.plot(chosen)
            # A browser's inch has 96 dots; screens often have twice as many.
            picture = render(plot, "png", dpi=192)
            width, height = map(float, plot.get_size_inches())
            about |= {"picture": _base64(picture), "inches": (width, height)}
            about["words"] = plot.alt_text
        elif chosen.format in ("csv", "tex"):
            about["text"] = subject.content(chosen).decode()[:_PREVIEWED]
        return about

    @command
    def export(
        self,
        kind: str,
        lanes: list[int] | None = None,
        name: str = "",
        replace: bool = False,
        download: bool = False,
        **settings: Any,
    ) -> Exported:
        """Write the file into `figures/`, or give its bytes to the browser to keep."""
        chosen = with_values(ExportSettings(), settings)
        name = name or _free(kind, chosen.format)
        path = FOLDER / name
        if Path(name).name != name or path.suffix != f".{chosen.format}":
            raise UserError(f"'{name}' names no {chosen.format} file: end it in .{chosen.format}")
        if path.exists() and not (replace or download):
            raise UserError(f"{path} exists: choose another name, or replace it")
        subject = self.subject(kind, lanes)
        content = subject.content(chosen)
        about: Exported = {
            "path": str(path),
            "bytes": len(content),
            "code": self._lines(subject, chosen, path),
        }
        if download:
            return about | {"content": _base64(content), "media": _MEDIA[chosen.format]}
        _write(path, content)
        return about

    def _lines(self, subject: Subject, settings: ExportSettings, path: Path) -> str:
        """The lines that write the file again."""
        more = "" if settings.width == "single" else f', width="{settings.width}"'
        more += ", dark=True" if settings.dark else ""
        more += "" if settings.scale == "automatic" else f', scale="{settings.scale}"'
        if subject.session is not None:
            if tuple(subject.lanes) != subject.session.beside(subject.kind):
                more = f", lanes={list(subject.lanes)}{more}"
            lines = subject.session.lines().replace(
                "import Session\n", "import Session, export\n", 1
            )
            return f'{lines}\nexport(session, "{subject.kind}", "{path}"{more})'
        if settings.format == "csv":
            return (
                "from workbench.figures import counted\n"
                f'{subject.code}\ncounted(frame).to_csv("{path}", index=False)'
            )
        if settings.format == "tex":
            return (
                f"from pathlib import Path\n\nfrom workbench.figures import latex_table\n"
                f'{subject.code}\nPath("{path}").write_text(latex_table(frame))'
            )
        options = "".join(f"{name}={value!r}, " for name, value in subject.options.items())
        log = "" if settings.scale == "automatic" else f", log={settings.scale == 'log'}"
        style = f"Style(ColumnWidth.{settings.width.upper()}, dark={settings.dark}{log})"
        return (
            "from workbench.figures import ColumnWidth, Style, draw\n"
            f"{subject.code}\n"
            f'draw("{subject.kind}", frame, {options}style={style}).savefig("{path}")'
        )


def _free(kind: str, format: str) -> str:
    """A file name that is not taken yet."""
    name, number = f"{kind}.{format}", 1
    while (FOLDER / name).exists():
        number += 1
        name = f"{kind}-{number}.{format}"
    return name


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
