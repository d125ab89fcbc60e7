"""Figures: a tidy data frame in, a figure ready for a paper out.

Each figure is a function of a frame (see `workbench.inspection` for what makes them) and a
`Style`; it returns a `Plot`, a Matplotlib figure outside pyplot's registry, with a description
in words in `alt_text`. `save` writes PDF, SVG or PNG with a `Receipt` of where it comes from.

>>> from workbench.figures import ColumnWidth, Style, adapted_curves, examples
>>> plot = adapted_curves(examples.curves(), style=Style(ColumnWidth.DOUBLE))
>>> plot.get_size_inches()[0]
np.float64(7.16)
"""

from workbench.figures import examples
from workbench.figures.acting import episode_returns, regret_by_move, value_against_return
from workbench.figures.calibration import reliability
from workbench.figures.checks import gradient_certificate, gradient_sampling, gradient_signal
from workbench.figures.columns import frame_sha256
from workbench.figures.comparisons import comparison
from workbench.figures.curves import adapted_curves
from workbench.figures.decisions import arm_pulls, query_predictions
from workbench.figures.episodes import episode_examples, episode_grid
from workbench.figures.export import Receipt, read_receipt, render, save
from workbench.figures.gaps import missing_values
from workbench.figures.gradients import (
    gradient_agreement,
    gradient_anatomy,
    gradient_flow,
    layer_norms,
)
from workbench.figures.influences import support_influence
from workbench.figures.kinds import DRAWN, draw
from workbench.figures.landscapes import loss_curvature, loss_landscape
from workbench.figures.losses import loss_shape
from workbench.figures.memories import embedding_map, memory_reads
from workbench.figures.mixtures import mixture_weights
from workbench.figures.progress import learning_curves, loss_by_step, trend
from workbench.figures.rankings import film_ranking
from workbench.figures.ranks import critical_difference
from workbench.figures.rates import inner_rates
from workbench.figures.robots import robot_pictures
from workbench.figures.rows import episode_rows
from workbench.figures.slots import memory_slots, memory_usage
from workbench.figures.streams import stream_accuracy, stream_transfer
from workbench.figures.style import (
    FIRST_ORDER,
    OKABE_ITO,
    PAPER,
    SECOND_ORDER,
    ColumnWidth,
    Plot,
    Style,
)
from workbench.figures.sweeps import sweep_results
from workbench.figures.tables import counted, latex_table
from workbench.figures.trajectories import policy_paths
from workbench.figures.tuning import setting_importance, setting_slices, study_history
from workbench.figures.watching import adaptation_progress, training_diagnostics

__all__ = [
    "DRAWN",
    "FIRST_ORDER",
    "OKABE_ITO",
    "PAPER",
    "SECOND_ORDER",
    "ColumnWidth",
    "Plot",
    "Receipt",
    "Style",
    "adaptation_progress",
    "adapted_curves",
    "arm_pulls",
    "comparison",
    "counted",
    "critical_difference",
    "draw",
    "embedding_map",
    "episode_examples",
    "episode_grid",
    "episode_returns",
    "episode_rows",
    "examples",
    "film_ranking",
    "frame_sha256",
    "gradient_agreement",
    "gradient_anatomy",
    "gradient_certificate",
    "gradient_flow",
    "gradient_sampling",
    "gradient_signal",
    "inner_rates",
    "latex_table",
    "layer_norms",
    "learning_curves",
    "loss_by_step",
    "loss_curvature",
    "loss_landscape",
    "loss_shape",
    "memory_reads",
    "memory_slots",
    "memory_usage",
    "missing_values",
    "mixture_weights",
    "policy_paths",
    "query_predictions",
    "read_receipt",
    "regret_by_move",
    "reliability",
    "render",
    "robot_pictures",
    "save",
    "setting_importance",
    "setting_slices",
    "stream_accuracy",
    "stream_transfer",
    "study_history",
    "support_influence",
    "sweep_results",
    "training_diagnostics",
    "trend",
    "value_against_return",
]
