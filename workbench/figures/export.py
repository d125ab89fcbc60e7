"""Figures as files: PDF, SVG and PNG, each carrying a receipt of where it comes from.

The same figure and receipt give the same bytes: no dates, no random ids. A file appears whole or
not at all.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from workbench import __version__
from workbench.errors import UserError
from workbench.figures.columns import frame_sha256
from workbench.figures.style import Plot
from workbench.receipts import FORMATS, note_in


@dataclass(frozen=True)
class Receipt:
    """Where a figure comes from, enough to make it again.

    code           the line or lines that draw it
    seed           the seed of what is shown
    version        the workbench's version
    data_sha256    fingerprint of the frame that was drawn
    configuration  the experiment's settings, as JSON values
    """

    code: str
    seed: int
    version: str
    data_sha256: str
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        *,
        code: str,
        seed: int,
        configuration: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """The receipt of a frame, with this installation's version.

        >>> Receipt.of(pd.DataFrame({"x": [1.0]}), code="adapted_curves(frame)", seed=0).seed
        0
        """
        return cls(code, seed, __version__, frame_sha256(frame), dict(configuration or {}))

    def to_json(self) -> str:
        """One line of JSON, in ASCII, its keys sorted."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """The receipt that `to_json` wrote."""
        return cls(**json.loads(text))


def save(figure: Plot, path: str | Path, receipt: Receipt) -> Path:
    """Write a figure with its receipt; the path's ending chooses PDF, SVG or PNG.

    >>> from workbench.figures import Style
    >>> import tempfile
    >>> receipt = Receipt("code", 0, "1.0", "ab")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_receipt(save(Plot(Style(), 2.0), f"{folder}/blank.svg", receipt)).code
    'code'
    """
    path = Path(path)
    content = render(figure, _format(path), receipt)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}: choose another place or make room"
        ) from error
    return path


def render(
    figure: Plot, format: str, receipt: Receipt | None = None, *, dpi: float | None = None
) -> bytes:
    """A figure's bytes in one of the formats pdf, svg, png; `dpi` of a png, 300 unless given.

    >>> from workbench.figures import Style
    >>> render(Plot(Style(), 2.0), "pdf")[:5]
    b'%PDF-'
    """
    note = receipt.to_json() if receipt else ""
    made_by = f"workbench {receipt.version if receipt else __version__}"
    metadata: dict[str, Any]
    if format == "pdf":
        metadata = {"Creator": made_by, "CreationDate": None}
        metadata |= {"Subject": figure.alt_text, "Keywords": note}
    elif format == "svg":
        metadata = {"Creator": made_by, "Date": None}
        metadata |= {"Description": figure.alt_text, "Source": note}
    else:
        metadata = {"Software": made_by, "Description": figure.alt_text, "Receipt": note}
    content = io.BytesIO()
    options = {} if dpi is None else {"dpi": dpi}
    metadata = {k: v for k, v in metadata.items() if v != ""}
    figure.savefig(content, format=format, metadata=metadata, **options)
    return content.getvalue()


def read_receipt(path: str | Path) -> Receipt:
    """The receipt that `save` put into a file."""
    path = Path(path)
    format = _format(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}: check the path") from error
    try:
        return Receipt.from_json(note_in(content, format))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UserError(
            f"{path} holds no receipt: only files written by workbench.figures.save have one"
        ) from error


def _format(path: Path) -> str:
    format = path.suffix.lstrip(".").lower()
    if format not in FORMATS:
        raise UserError(
            f"a figure cannot be written as {path.name!r}: end the name in .pdf, .svg or .png"
        )
    return format


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the place, then rename: a reader finds the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
