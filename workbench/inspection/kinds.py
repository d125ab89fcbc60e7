"""Every kind of inspection by name: what `Tape.frame` and the command line can make."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from workbench.algorithms.base import Adapted, Learner
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
from workbench.inspection.gradients import anatomy_frame, flow_frame, norm_frame
from workbench.inspection.influence import influence_frame
from workbench.inspection.memory import embedding_frame, memory_frame, slot_frame, usage_frame
from workbench.tasks.episode import Episode

Make = Callable[..., pd.DataFrame]


def _images(learner: Learner, episode: Episode, path: Sequence[Adapted], task: int) -> pd.DataFrame:
    return image_frame(episode, learner, path[-1], task)


def _examples(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int
) -> pd.DataFrame:
    return example_frame(episode, task)


KINDS: dict[str, Make] = {
    "examples": _examples,
    "steps": step_frame,
    "curves": curve_frame,
    "predictions": prediction_frame,
    "pulls": pull_frame,
    "images": _images,
    "norms": norm_frame,
    "flow": flow_frame,
    "anatomy": anatomy_frame,
    "agreement": agreement_frame,
    "signal": signal_frame,
    "curvature": curvature_frame,
    "landscape": landscape_frame,
    "influence": influence_frame,
    "memory": memory_frame,
    "slots": slot_frame,
    "usage": usage_frame,
    "embedding": embedding_frame,
    "certificate": certificate_frame,
}


# Kinds that show all tasks of the episode together; every other one shows a single task.
WHOLE = {"steps", "norms", "flow", "anatomy", "curvature", "influence", "certificate"}

# Kinds that adapt anew, or go back through every step: they know one learner and one episode.
UNROLLED = {"flow", "anatomy", "agreement", "signal", "influence", "certificate"}


def compute(
    kind: str, learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """The frame of a kind; of one task where the kind shows a single one.

    >>> compute("flwo", None, None, [])
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: there is no inspection 'flwo': did you mean 'flow'?
    """
    if kind not in KINDS:
        raise UserError(f"there is no inspection '{kind}': {nearest(kind, list(KINDS))}")
    if kind in WHOLE:
        return KINDS[kind](learner, episode, path)
    return KINDS[kind](learner, episode, path, task)
