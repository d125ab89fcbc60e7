"""Figures by the name that an inspection or a result calls its own; a method may bring another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from workbench.errors import UserError, nearest
from workbench.figures.acting import episode_returns, regret_by_move, value_against_return
from workbench.figures.axes import tell_diverged
from workbench.figures.calibration import reliability
from workbench.figures.checks import gradient_certificate, gradient_sampling, gradient_signal
from workbench.figures.comparisons import comparison
from workbench.figures.curves import adapted_curves
from workbench.figures.decisions import arm_pulls, query_predictions
from workbench.figures.episodes import episode_examples, episode_grid
from workbench.figures.gaps import missing_values
from workbench.figures.gradients import (
    gradient_agreement,
    gradient_anatomy,
    gradient_flow,
    layer_norms,
)
from workbench.figures.influences import support_influence
from workbench.figures.landscapes import loss_curvature, loss_landscape
from workbench.figures.losses import loss_shape
from workbench.figures.memories import embedding_map, memory_reads
from workbench.figures.mixtures import mixture_weights
from workbench.figures.pages import one_below_another
from workbench.figures.progress import learning_curves, loss_by_step
from workbench.figures.rankings import film_ranking
from workbench.figures.ranks import critical_difference
from workbench.figures.rates import inner_rates
from workbench.figures.robots import robot_pictures
from workbench.figures.slots import memory_slots, memory_usage
from workbench.figures.streams import stream_accuracy, stream_transfer
from workbench.figures.style import PAPER, Plot, Style, announce
from workbench.figures.trajectories import policy_paths
from workbench.figures.watching import adaptation_progress, training_diagnostics
from workbench.measures import notice_in


def _steps(
    frame: pd.DataFrame,
    *,
    step: int | None = None,
    task: int | None = None,
    lanes: Sequence[int] = (),
    style: Style = PAPER,
) -> Plot:
    """The first thing that was measured: the loss, where there is one."""
    places = ("method", "seed", "task", "step", "part")
    measure = next((str(name) for name in frame if name not in places), "loss")
    return loss_by_step(frame, measure=measure, step=step, task=task, lanes=lanes, style=style)


DRAWN: dict[str, Callable[..., Plot]] = {
    "examples": episode_examples,
    "steps": _steps,
    "curves": adapted_curves,
    "predictions": query_predictions,
    "trajectories": policy_paths,
    "rendered": robot_pictures,
    "pulls": arm_pulls,
    "returns": episode_returns,
    "regret": regret_by_move,
    "expectations": value_against_return,
    "images": episode_grid,
    "norms": layer_norms,
    "flow": gradient_flow,
    "anatomy": gradient_anatomy,
    "agreement": gradient_agreement,
    "signal": gradient_signal,
    "sampling": gradient_sampling,
    "curvature": loss_curvature,
    "landscape": loss_landscape,
    "influence": support_influence,
    "rates": inner_rates,
    "mixture": mixture_weights,
    "memory": memory_reads,
    "slots": memory_slots,
    "usage": memory_usage,
    "embedding": embedding_map,
    "stream": stream_accuracy,
    "transfer": stream_transfer,
    "certificate": gradient_certificate,
    "loss-shape": loss_shape,
    "reliability": reliability,
    "gaps": missing_values,
    "training": learning_curves,
    "diagnostics": training_diagnostics,
    "adaptation": adaptation_progress,
    "ranking": film_ranking,
    "comparison": comparison,
    "critical_difference": critical_difference,
}


def draw(
    figure: str | Callable[..., Plot] | None,
    frame: pd.DataFrame,
    *,
    style: Style = PAPER,
    step: int | None = None,
    task: int | None = None,
    lanes: Sequence[int] = (),
    **options: Any,
) -> Plot:
    """A frame drawn by the figure of that name, or by a function of frame and `style`.

    step     the inner step that is looked at, for figures that show one
    task     the task that is looked at, for figures of frames of several: else their mean
    lanes    numbers of a session's lanes that the frame is of, in its order, with a column `method`
             where they are several: figures that show lanes together give them their colours, and
             others stand one below the other
    options  of the figure itself

    >>> from workbench.figures import examples
    >>> draw("flow", examples.flow()).alt_text[:24]
    'Norm of the meta-gradien'
    """
    if figure is None:
        raise UserError("this inspection has no figure, only its frame: write that as .csv")
    if isinstance(figure, str) and figure not in DRAWN:
        raise UserError(f"'{figure}' has no figure, only its frame: {nearest(figure, list(DRAWN))}")
    function = DRAWN[figure] if isinstance(figure, str) else figure
    known = inspect.signature(function).parameters
    more = {"step": step, "task": task, "lanes": lanes}
    options |= {name: value for name, value in more.items() if name in known}
    apart = len(lanes) > 1 and "lanes" not in known
    announce(notice_in(frame))
    plot = (
        one_below_another(function, frame, style=style, **options)
        if apart
        else function(frame, style=style, **options)
    )
    if not isinstance(plot, Plot):
        name = getattr(function, "__name__", "the figure")
        raise UserError(
            f"{name} returned {type(plot).__name__} and no figure: "
            "let it return a workbench.figures.Plot"
        )
    tell_diverged(plot, frame, style)
    return plot
