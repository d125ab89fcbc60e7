"""A run directory as a document with its curves, and what a figure's file says of itself."""

from __future__ import annotations

import base64
import json
import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError
from workbench.files import measured, plain_data
from workbench.receipts import FORMATS, note_in
from workbench.server.looking import Lookout
from workbench.server.messages import FigureReceipt, RunDocument, SentFrame
from workbench.server.places import names_of, open_file, opened, tail

if TYPE_CHECKING:
    from workbench.wire import WireFrame

_METRICS = 4_000_000  # bytes of metrics that are drawn
_FIGURE = 32_000_000  # bytes of a figure's file
_NOTE = 1_000_000  # letters of a receipt
_MOST = 20  # runs that are named for a figure

# What a receipt holds, beside its configuration.
_TYPES = {"code": str, "seed": int, "version": str, "data_sha256": str, "configuration": dict}


def run_document(root: Path, lookout: Lookout, place: str, mark: str = "") -> RunDocument:
    """A run and its curves; these are left out where `mark` says that they are known already."""
    run, configuration = lookout.run(place)
    content, now, whole = b"", "", True
    with opened(root, place) as folder, open_file(folder, "metrics.jsonl") as handle:
        if handle is not None:
            found = os.fstat(handle)
            now = f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"
            if now != mark or not mark:
                content, whole = tail(handle, _METRICS)
    said = "" if whole else f"only the last {_METRICS // 1_000_000} MB of its metrics are drawn"
    return {
        "run": run,
        "configuration": configuration,
        "mark": now,
        "frames": None if now and now == mark else _frames(content, whole),
        "limited": said,
    }


def _frames(content: bytes, whole: bool) -> dict[str, SentFrame]:
    from workbench.courses import diagnostics_frame, metrics_frame, progress_frame  # loads pandas
    from workbench.wire import to_wire

    rows, _ = measured(content if whole else content[content.find(b"\n") + 1 :])
    makers = {"run": metrics_frame, "inside": diagnostics_frame, "adaptation": progress_frame}
    found = {}
    for name, make in makers.items():
        try:
            frame = make(rows)
        except UserError:  # nothing of it was measured yet
            continue
        except (ValueError, TypeError, KeyError, OverflowError):
            raise UserError("its metrics.jsonl is damaged: restore it") from None
        if len(frame):
            found[name] = _sent(to_wire(frame))
    return found


def _sent(frame: WireFrame) -> SentFrame:
    columns: Any = [
        {**column, "data": base64.b64encode(column["data"]).decode()} for column in frame["columns"]
    ]
    sent: Any = {**frame, "columns": columns}
    return sent


def receipt_of(root: Path, lookout: Lookout, place: str) -> FigureReceipt:
    """The receipt in a figure's file, and the runs below the folder that it can be of."""
    found: FigureReceipt = {
        "place": place,
        "missing": "",
        "code": "",
        "seed": 0,
        "version": "",
        "data_sha256": "",
        "configuration": {},
        "runs": [],
    }
    content = _content(root, place)
    try:
        receipt = _read(content, posixpath.splitext(place)[1].lstrip(".").lower())
    except ValueError as error:
        return {**found, "missing": f"This file holds no receipt ({error})."}
    found.update(receipt)  # type: ignore[typeddict-item]
    return {**found, "runs": _runs(found, lookout.configured())}


def _content(root: Path, place: str) -> bytes | None:
    """What is in a file; None of one that is too large for a figure."""
    folder, _, name = place.rpartition("/")
    if not names_of(place):
        raise UserError("say which figure by its place")
    with opened(root, folder) as handle, open_file(handle, name) as file:
        if file is None:
            raise UserError(f"there is no file '{place}' (links are not followed): look again")
        content, whole = tail(file, _FIGURE)
    return content if whole else None


def _read(content: bytes | None, format: str) -> dict[str, Any]:
    """What the workbench wrote; a ValueError where it wrote nothing, or somebody else did."""
    if content is None:
        raise ValueError(f"of files above {_FIGURE // 1_000_000} MB none is looked for")
    if format not in FORMATS:
        raise ValueError(f"only {', '.join(FORMATS)} files have one")
    note = note_in(content, format)
    if len(note) > _NOTE:
        raise ValueError("it is too long")
    receipt = plain_data(note.encode())
    good = isinstance(receipt, Mapping) and receipt.keys() == _TYPES.keys()
    if not good or not all(isinstance(receipt[name], kind) for name, kind in _TYPES.items()):
        raise ValueError("what it says of itself is none")
    return dict(receipt)


def _runs(receipt: FigureReceipt, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The runs that the code names, and else those that have the receipt's configuration."""
    folder = posixpath.dirname(receipt["place"])
    # Code is of the folder that `figures` lies in, but figures can be moved.
    bases = (posixpath.dirname(folder), folder, "")
    words = re.findall(r'"([^"\n]+)"|\'([^\'\n]+)\'', receipt["code"])
    named = [
        place
        for word in dict.fromkeys(one or other for one, other in words)
        for base in bases
        if (place := posixpath.normpath(posixpath.join(base, word))) in known
    ]
    if not named and receipt["configuration"]:
        alike = _canonical(receipt["configuration"])
        named = [place for place, one in known.items() if _canonical(one) == alike]
    return list(dict.fromkeys(named))[:_MOST]


def _canonical(configuration: Mapping[str, Any]) -> str:
    return json.dumps(configuration, sort_keys=True)
