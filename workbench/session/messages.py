"""What crosses to the browser beside frames and controls, as types of plain data.

`tools/typescript.py` writes them in TypeScript, into `extensions/src/generated.ts`.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from workbench.algorithms.inspections import View
from workbench.fields import Field
from workbench.measures import Record
from workbench.standing import Validation

# ---- what every panel says --------------------------------------------------------------------


class Problem(TypedDict):
    """What went wrong."""

    text: str
    details: NotRequired[str]  # where, of a fault of the workbench


class Progress(TypedDict):
    """How far long work is."""

    what: str
    done: float
    total: float
    left: float | None  # seconds, where they are known


class Answer(TypedDict):
    """The answer to a command: what it gave, or why it was refused."""

    id: int | None
    result: NotRequired[Any]
    error: NotRequired[str]


# ---- of a session -----------------------------------------------------------------------------


class Learner(TypedDict):
    """A learner that can be chosen."""

    name: str
    note: str


class SlotChange(TypedDict):
    """A slot of the memory that was emptied, or filled with what another held."""

    slot: int
    source: NotRequired[int]


class Diverged(TypedDict):
    """Where an adaptation of the task under the cursor stopped being finite."""

    step: int
    sentence: str
    follow: int  # the last step that axes follow


class Lane(TypedDict):
    """One recorded adaptation: a learner's own (lane 0 is the first), or a branch of another."""

    name: str  # what it is called, by its learner and what is changed in it
    changed: str  # the latter alone
    learner: str
    steps: int  # inner steps that were recorded
    parent: int | None
    at: int  # after which step it branches off
    settings: dict[str, Any]  # of the learner that differ, by dotted name
    edits: int
    diverged: Diverged | None
    memory: list[SlotChange]  # where it branches


class Inspection(TypedDict):
    """What can be looked at."""

    name: str
    label: str  # of its tab; empty where it stands in that of another
    sentence: str
    view: View | None  # which view shows it; None is a table of its own


class SessionAbout(TypedDict):
    """What is to be said of a session beside its frames."""

    title: NotRequired[str]
    note: NotRequired[str]
    learner: str
    learners: list[Learner]
    kind: str  # of tasks: classification, regression or control
    task: int  # which the frames are of, but for the kinds in `whole`, which show all tasks
    whole: list[str]
    tasks: int
    ways: int | None
    milliseconds: float
    megabytes: NotRequired[float]
    limited: NotRequired[str]  # a limit that was reached, as a sentence
    edits: int
    aims: bool  # whether tasks have a goal that is a place, which can be moved
    renders: bool  # whether a simulator makes pictures of what is done
    trains: bool  # whether the learner trains another, which can be opened one level below
    below: NotRequired[str]  # the id of the panel of that, where one was opened
    undo: bool
    restored: bool
    lanes: list[Lane]
    inspections: list[Inspection]
    kinds: dict[str, str]  # 'ready', 'open' (can be asked for), 'stale', or why it cannot be had
    forms: dict[str, list[Field]]
    definitions: dict[str, str]  # of numbers that headline, table and figure give, by name


# ---- of trainings -----------------------------------------------------------------------------


class Setting(Field):
    """A control of a training."""

    group: str
    first: bool  # whether it is one of those that one changes most


class RunSummary(TypedDict):
    """How a run stands."""

    method: str  # the class of its learner, which is called by the run
    tasks: str
    seed: int
    iteration: int
    iterations: int
    state: str
    stopping: bool
    diverged: str  # what and where, as a sentence; empty where nothing did
    reason: str
    note: str
    rate: float  # outer steps a second; 0 is unknown
    left: float | None  # seconds
    last: Validation | None
    best: Validation | None
    opens: bool  # whether a stage can show it


class ListedRun(RunSummary):
    """A run of the training panel."""

    name: str
    drawn: bool
    resumes: bool
    group: str  # the oldest run that is equal to it but for the seed, such as itself


class SettingApart(TypedDict):
    """A setting in which two runs differ."""

    name: str
    first: str
    second: str


class Preset(TypedDict):
    """A preset, and its line of help."""

    name: str
    line: str


class TrainAbout(TypedDict):
    """What the training panel says."""

    title: str
    folder: str
    name: str  # of the next run
    preset: str
    presets: list[Preset]
    form: list[Setting]
    runs: list[ListedRun]  # the newest first
    trash: list[str]  # runs that were deleted and can be restored
    looks: list[Field]  # how curves are drawn
    code: str
    shell: str


# ---- of comparisons ---------------------------------------------------------------------------


class KnownRun(TypedDict):
    """A run that can be compared, and its tasks."""

    name: str
    tasks: str


class CompareAbout(TypedDict):
    """What the comparison panel says; what is of a result is there with one."""

    title: str
    chosen: list[str]
    stage: str  # the id of the panel that was opened
    known: list[KnownRun]
    form: list[Field]
    working: bool
    stale: bool  # whether the choice changed since the result was computed
    code: str
    shell: str
    axis: NotRequired[Literal["step", "move"]]
    measure: NotRequired[Record]
    tasks: NotRequired[str]
    split: NotRequired[str]
    episodes: NotRequired[int]
    sha256: NotRequired[str]  # of the episodes
    transductive: NotRequired[list[str]]


# ---- of files ---------------------------------------------------------------------------------


class Preview(TypedDict):
    """What a file will be."""

    name: str
    folder: str
    receipt: str
    code: str
    rows: int
    picture: NotRequired[str]  # PNG in base64
    inches: NotRequired[tuple[float, float]]
    words: NotRequired[str]  # what the picture shows
    text: NotRequired[str]


class SavedTrace(TypedDict):
    """An adaptation as a notebook keeps it, for when no kernel runs."""

    name: str
    code: str  # that makes the session again
    content: str  # a .metatrace file without values, compressed by zlib, in base64


class Exported(TypedDict):
    """A file that was made; its content where the browser keeps it."""

    path: str
    bytes: int
    code: str
    content: NotRequired[str]  # in base64
    media: NotRequired[str]
