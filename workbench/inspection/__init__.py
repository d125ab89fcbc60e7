"""Inspection: what was computed, as tidy data frames with documented columns.

`Tape` records an adaptation: it is rewound, branched, and saved with its frames to one file.

curve_frame       a regression task: truth, support, query, and the curve after every inner step
image_frame       a classification task: its images, and what was predicted of them
step_frame        loss and metric of every task after every inner step
norm_frame        norms of weights, gradients and updates by step and layer
flow_frame        the meta-gradient's norm on its way back through the inner steps
anatomy_frame     the meta-gradient's first-order term and each step's correction
evaluation_frame  results after every inner step from evaluations, for several methods
comparison_frame  each test task's result under each method
metrics_frame     training and validation by iteration
stacked           frames of several methods as one, told apart by a column

`KINDS` has those of an adaptation by name. `workbench.figures` draws them.
"""

from workbench.inspection.adaptation import curve_frame, image_frame, step_frame
from workbench.inspection.gradients import (
    Anatomy,
    anatomy,
    anatomy_frame,
    flow_frame,
    norm_frame,
)
from workbench.inspection.kinds import KINDS, compute
from workbench.inspection.results import (
    comparison_frame,
    evaluation_frame,
    metrics_frame,
    stacked,
)
from workbench.inspection.tape import Tape
from workbench.inspection.variation import varied

__all__ = [
    "KINDS",
    "Anatomy",
    "Tape",
    "anatomy",
    "anatomy_frame",
    "comparison_frame",
    "compute",
    "curve_frame",
    "evaluation_frame",
    "flow_frame",
    "image_frame",
    "metrics_frame",
    "norm_frame",
    "stacked",
    "step_frame",
    "varied",
]
