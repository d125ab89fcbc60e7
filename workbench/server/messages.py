"""What crosses between JupyterLab's server and its page, as types of plain data.

`tools/typescript.py` writes them in TypeScript, beside those of the panels.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from workbench.measures import Record
from workbench.standing import Validation


class ServedRun(TypedDict):
    """A run below the folder that is served."""

    place: str  # its directory, relative to that folder
    name: str
    method: str
    tasks: str
    seed: int | None
    state: str  # 'broken' where its config.json cannot be read
    reason: str
    note: str
    stopping: bool
    iteration: int
    iterations: int
    rate: float  # outer steps a second; 0 is unknown
    left: float | None  # seconds
    begun: float  # seconds since 1970
    last: Validation | None
    best: Validation | None
    recent: list[float]  # its last validations, or losses where nothing was validated
    resumes: bool
    opens: bool  # whether a stage can show it
    command: str  # what one would do with it on the command line
    group: str  # the same for runs that are equal but for their seed
    heading: str  # of the group that begins here, where they are grouped
    seeds: int  # of that group, where they are grouped by what they are equal in


class RunsPage(TypedDict):
    """Some of the runs."""

    runs: list[ServedRun]
    first: int  # the place of the first of these among all that were asked for
    total: int
    alive: int  # how many of all runs are training
    trash: list[str]  # places of those that were deleted, the newest last
    limited: str  # what was not looked at, as a sentence


class RunsQuery(TypedDict):
    """Which runs are asked for, and how they are ordered."""

    first: int
    count: int
    text: str  # that the place, method, tasks, note or state holds
    state: str  # empty is any
    sort: Literal["newest", "name", "state", "value"]
    group: Literal["none", "seeds", "folder"]


class SentColumn(TypedDict):
    """A column of a frame in an answer."""

    name: str
    type: Literal["number", "integer", "boolean", "words", "arrays"]
    data: str  # the bytes of the wire's column, in base64
    words: NotRequired[list[str]]
    shape: NotRequired[list[int]]


class SentFrame(TypedDict):
    """A frame in an answer: as on the wire, its bytes as text."""

    rows: int
    columns: list[SentColumn]
    measures: dict[str, Record]
    diverged: dict[str, str]
    notice: NotRequired[str]


class RunDocument(TypedDict):
    """A run directory as a document."""

    run: ServedRun
    configuration: dict[str, Any]
    mark: str  # of the metrics that were read
    frames: dict[str, SentFrame] | None  # run, inside and adaptation; None where that mark is known
    limited: str  # what was not read, as a sentence


class FigureReceipt(TypedDict):
    """What the file of a figure says of where it comes from."""

    place: str
    missing: str  # why there is no receipt, as a sentence; empty where there is one
    code: str
    seed: int
    version: str
    data_sha256: str
    configuration: dict[str, Any]
    runs: list[str]  # places of the runs that it can be of


class ShippedNotebook(TypedDict):
    """A notebook that comes with the workbench."""

    name: str
    title: str


class PresetChoice(TypedDict):
    """A preset that a new experiment can start from."""

    name: str
    line: str
    family: str
    method: str
    iterations: int


class Asked(TypedDict):
    """What a new experiment or training is made with; 0 and empty are the preset's own."""

    preset: str
    seed: int
    threads: int
    device: str
    style: str  # of figures
    budget: int  # megabytes that tapes may take


class Done(TypedDict):
    """What was done to a run, or made; what says nothing is empty."""

    place: str
    undo: str  # the place in the trash from which it can be restored
    content: dict[str, Any]  # of a notebook
