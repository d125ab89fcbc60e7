"""Every kind of inspection by name: what `Tape.frame` and the command line can make."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.divergence import Divergence, divergence
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


# Kinds of what an adaptation came to: there is nothing to show of one that diverged. Kinds that go
# step by step are shown as far as it is finite.
_OUTCOME = UNROLLED | {"images", "memory"}


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
    if kind not in KINDS:
        raise UserError(f"there is no inspection '{kind}': {nearest(kind, list(KINDS))}")
    make, ended = KINDS[kind], ended or divergence(path)
    shown = range(len(episode)) if kind in WHOLE | UNROLLED else [task]
    bad = [] if kind == "examples" or len(episode) != len(ended.lengths) else ended.among(shown)
    if bad and (kind in _OUTCOME or max(ended.lengths[task] for task in shown) == 0):
        raise UserError(ended.sentence(shown))
    if bad:
        path = path[: max(ended.lengths[task] for task in shown)]
    try:
        frame = make(learner, episode, path, *([] if kind in WHOLE else [task]))
    except torch.linalg.LinAlgError:
        raise UserError(
            f"'{kind}' met losses that are not finite around this path: lower the inner rate"
        ) from None
    if bad and kind in WHOLE:  # the tasks that went on for longer stay whole
        ends = [path[k].step if k < len(path) else path[-1].step + 1 for k in ended.lengths]
        frame = frame[frame["step"] < frame["task"].map(dict(enumerate(ends)))]
        frame = frame.reset_index(drop=True)
    return _finite(frame)


def _finite(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what is infinite missing."""
    for name, column in frame.items():
        numbers = column.to_numpy() if column.dtype.kind == "f" else None
        if numbers is not None and np.isinf(numbers).any():
            frame = frame.assign(**{str(name): np.where(np.isinf(numbers), np.nan, numbers)})
    return frame
