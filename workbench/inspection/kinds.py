"""Every kind of inspection by name, as records: all that is listed, made and shown is from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Descends, Expects, Plays, Unrolls
from workbench.algorithms.divergence import Divergence, divergence
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.inspection.adaptation import (
    curve_frame,
    prediction_frame,
    pull_frame,
    step_frame,
)
from workbench.inspection.agreement import agreement_frame, signal_frame
from workbench.inspection.certificate import certificate_frame
from workbench.inspection.curvature import curvature_frame, landscape_frame
from workbench.inspection.examples import example_frame, image_frame
from workbench.inspection.expectations import expectation_frame
from workbench.inspection.gradients import anatomy_frame, flow_frame, norm_frame
from workbench.inspection.influence import influence_frame
from workbench.inspection.kind import kind_of
from workbench.inspection.layers import lacking
from workbench.inspection.memory import embedding_frame, memory_frame, slot_frame, usage_frame
from workbench.inspection.regret import regret_frame
from workbench.inspection.rendered import rendered_frame
from workbench.inspection.returns import return_frame
from workbench.inspection.sampling import sampling_frame
from workbench.inspection.tidy import finite
from workbench.inspection.trajectories import trajectory_frame
from workbench.measures import marked, warned
from workbench.tasks.episode import Episode


def _images(learner: Learner, episode: Episode, path: Sequence[Adapted], task: int) -> pd.DataFrame:
    return image_frame(episode, learner, path[-1], task)


def _examples(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int
) -> pd.DataFrame:
    return example_frame(episode, task)


_ALL = (
    kind_of(
        "examples",
        _examples,
        "A task's examples as they are, and what was edited",
        documents=example_frame,
        shows="tasks",
        view="stage",
        tasks=("classification", "regression"),
    ),
    kind_of(
        "steps",
        step_frame,
        "Loss and metric of every task after every inner step",
        scope="episode",
        view="loss",
        label="Loss",
        called={"control": "Reward"},
    ),
    kind_of(
        "curves",
        curve_frame,
        "A regression task's truth, examples and adapted curves",
        view="stage",
        tasks=("regression",),
    ),
    kind_of(
        "predictions",
        prediction_frame,
        "Which class each query is given after every inner step",
        view="stage",
        tasks=("classification",),
    ),
    kind_of(
        "trajectories",
        trajectory_frame,
        "Where a control task's policy goes after every inner step",
        view="stage",
        tasks=("control",),
    ),
    kind_of(
        "rendered",
        rendered_frame,
        "A robot on its way, as MuJoCo renders it",
        cost="slow",
        view="export",
        tasks=("control",),
    ),
    kind_of(
        "pulls",
        pull_frame,
        "What was done in a control task, and what it paid",
        view="stage",
        tasks=("control",),
    ),
    kind_of(
        "returns",
        return_frame,
        "What whole episodes of control brought, by episode or gradient step",
        scope="episode",
        view="acting",
        label="Returns",
        tasks=("control",),
    ),
    kind_of(
        "regret",
        regret_frame,
        "What a trial lost against who knows the task, move by move",
        scope="episode",
        view="acting",
        tasks=("control",),
    ),
    kind_of(
        "expectations",
        expectation_frame,
        "What a critic expected before each move, and the return that came",
        scope="episode",
        needs=(Expects,),
        view="acting",
    ),
    kind_of(
        "images",
        _images,
        "A classification task's images, and what they are taken for",
        documents=image_frame,
        shows="outcome",
        view="export",
        tasks=("classification",),
    ),
    kind_of(
        "norms",
        norm_frame,
        "How large weights, gradients and updates are, by step and layer",
        scope="episode",
        needs=(Descends,),
        view="layers",
        label="Layers",
    ),
    kind_of(
        "flow",
        flow_frame,
        "The meta-gradient on its way back through the inner steps",
        scope="episode",
        needs=(Unrolls,),
        cost="adapts anew",
        shows="outcome",
        view="flow",
        label="Flow",
    ),
    kind_of(
        "anatomy",
        anatomy_frame,
        "The meta-gradient's first order, and each step's correction",
        scope="episode",
        needs=(Unrolls,),
        cost="adapts anew",
        shows="outcome",
        view="anatomy",
        label="Anatomy",
    ),
    kind_of(
        "agreement",
        agreement_frame,
        "Cosines between the gradients of tasks, and of a task's shots",
        cost="adapts anew",
        shows="outcome",
        view="agreement",
        label="Agreement",
    ),
    kind_of(
        "signal",
        signal_frame,
        "Signal to noise and conflict of those gradients, by layer",
        cost="adapts anew",
        shows="outcome",
        view="agreement",
    ),
    kind_of(
        "sampling",
        sampling_frame,
        "Signal to noise of a policy gradient, by its number of trajectories",
        needs=(Plays, Unrolls),
        cost="slow",
        view="agreement",
    ),
    kind_of(
        "curvature",
        curvature_frame,
        "The largest eigenvalues of the loss's Hessian along the path",
        scope="episode",
        needs=(Descends,),
        cost="slow",
        view="landscape",
        tasks=("classification", "regression"),
    ),
    kind_of(
        "landscape",
        landscape_frame,
        "Support and query loss in the plane of the path",
        needs=(Descends,),
        cost="slow",
        view="landscape",
        label="Landscape",
        tasks=("classification", "regression"),
    ),
    kind_of(
        "influence",
        influence_frame,
        "What each support example does for the query",
        scope="episode",
        cost="adapts anew",
        shows="outcome",
        view="agreement",
        tasks=("classification", "regression"),
    ),
    kind_of(
        "memory",
        memory_frame,
        "What queries read of a memory",
        needs=(MemoryLearner,),
        shows="outcome",
        view="memory",
        label="Memory",
    ),
    kind_of(
        "slots",
        slot_frame,
        "What was written to a memory, when, and by which example",
        needs=(MemoryLearner,),
        view="memory",
    ),
    kind_of(
        "usage",
        usage_frame,
        "How full and how used each slot of a memory was",
        needs=(MemoryLearner,),
        view="memory",
    ),
    kind_of(
        "embedding",
        embedding_frame,
        "Where examples lie in the embedding",
        cost="slow",
        view="memory",
        tasks=("classification", "regression"),
        label="Embedding",
    ),
    kind_of(
        "certificate",
        certificate_frame,
        "The meta-gradient against finite differences",
        scope="episode",
        cost="adapts anew",
        shows="outcome",
        view="anatomy",
        label="Certificate",
    ),
)

# The inspections that there are of every method's adaptations, by name.
KINDS: dict[str, Inspection] = {kind.name: kind for kind in _ALL}


def inspections_of(learner: Learner | None) -> dict[str, Inspection]:
    """The inspections of a learner's adaptations by name: everybody's, then its own.

    >>> list(inspections_of(None)) == list(KINDS)
    True
    """
    own = () if learner is None else tuple(learner.inspections)
    found = dict(KINDS)
    for one in own:
        method = type(learner).__name__
        if not isinstance(one, Inspection):
            raise UserError(
                f"{method}.inspections holds a {type(one).__name__}: "
                "make it of workbench.inspection.Inspection"
            )
        if one.name in found:
            raise UserError(
                f"{method} brings an inspection '{one.name}', which there is already: "
                "give it another name"
            )
        found[one.name] = one
    return found


def inspection_named(kind: str, among: Mapping[str, Inspection]) -> Inspection:
    """The inspection of that name, or a refusal.

    >>> inspection_named("flwo", KINDS)
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: there is no inspection 'flwo': did you mean 'flow'?
    """
    if kind not in among:
        raise UserError(f"there is no inspection '{kind}': {nearest(kind, list(among))}")
    return among[kind]


def listing(among: Mapping[str, Inspection] = KINDS) -> str:
    """What each inspection shows, a line each.

    >>> listing().splitlines()[1]
    '- steps: Loss and metric of every task after every inner step'
    """
    return "\n".join(f"- {one.name}: {one.sentence}" for one in among.values())


def table(among: Mapping[str, Inspection] = KINDS) -> str:
    """The same as a table in Markdown, with what each is of, and what it takes.

    >>> print(table({"flow": KINDS["flow"]}).splitlines()[2])
    | `flow` | The meta-gradient on its way back through the inner steps | all tasks | adapts anew |
    """
    of = {"task": "one task", "episode": "all tasks"}
    rows = [
        f"| `{one.name}` | {one.sentence} | {of[one.scope]} | {one.cost} |"
        for one in among.values()
    ]
    return "\n".join(["| inspection | shows | of | cost |", "|---|---|---|---|", *rows])


def compute(
    kind: str,
    learner: Learner,
    episode: Episode,
    path: Sequence[Adapted],
    task: int = 0,
    ended: Divergence | None = None,
) -> pd.DataFrame:
    """The frame of a kind; of one task where the kind shows a single one.

    A task that diverged is shown up to its last finite step, or refused where the kind is of what
    came out. No frame holds an infinite number: what is not finite is missing.

    >>> compute("flwo", None, None, [])
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: there is no inspection 'flwo': did you mean 'flow'?
    """
    one = inspection_named(kind, inspections_of(learner))
    missing = one.missing(learner)
    if missing is not None:
        raise lacking(learner, missing, f"'{kind}'")
    ended, whole = ended or divergence(path), one.scope == "episode"
    shown = range(len(episode)) if whole or one.cost == "adapts anew" else [task]
    known = one.shows != "tasks" and len(episode) == len(ended.lengths)
    bad = ended.among(shown) if known else []
    if bad and (one.shows == "outcome" or max(ended.lengths[task] for task in shown) == 0):
        raise UserError(ended.sentence(shown))
    if bad:
        path = path[: max(ended.lengths[task] for task in shown)]
    try:
        frame = one.make(learner, episode, path, *([] if whole else [task]))
    except torch.linalg.LinAlgError:
        raise UserError(
            f"'{kind}' met losses that are not finite around this path: lower the inner rate"
        ) from None
    if not isinstance(frame, pd.DataFrame):
        raise UserError(
            f"'{kind}' made a {type(frame).__name__} and no data frame: let its function return one"
        )
    if (
        bad and whole and {"task", "step"} <= {*frame}
    ):  # the tasks that went on for longer stay whole
        ends = [path[k].step if k < len(path) else path[-1].step + 1 for k in ended.lengths]
        frame = frame[frame["step"] < frame["task"].map(dict(enumerate(ends)))]
        frame = frame.reset_index(drop=True)
    made = marked(finite(frame), {"": ended.sentence(shown)} if bad else {})
    return warned(made, str(episode.info.get("notice", "")))
