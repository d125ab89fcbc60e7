"""Inspection: what was computed, as tidy data frames with documented columns.

`Tape` records an adaptation: it is rewound, branched, and saved with its frames to one file.

`Inspection` is the record of one way to look at an adaptation; `KINDS` has those of all methods,
and a method may bring its own (`Tape.inspections` has both). They are:

{kinds}

Beside them, of results and of several adaptations:

mixture_frame     the shares of operations in mixed layers, by step
rate_frame        the inner rates of a learner that learns or generates them, by step and tensor
ranking_frame     what is made of films after each rating that a person gives
recall_frame      answers item by item, by how often their class was seen
reliability_frame how often a learner is right, by how sure it is
evaluation_frame  results after every inner step from evaluations, for several methods
comparison_frame  each test task's result under each method
metrics_frame     training and validation by outer step
diagnostics_frame what the meta-gradient was like along a training
progress_frame    the adaptation from the start as it was at each validation
seeds_frame       trainings of several seeds as their mean, with its interval
stacked           frames of several methods as one, told apart by a column

`workbench.figures` draws them.
"""

from workbench.algorithms.gradient.architectures import mixture_frame
from workbench.algorithms.gradient.rates import rate_frame
from workbench.algorithms.inspections import Inspection
from workbench.answers import second_order
from workbench.courses import diagnostics_frame, metrics_frame, progress_frame
from workbench.inspection.adaptation import (
    curve_frame,
    prediction_frame,
    pull_frame,
    step_frame,
)
from workbench.inspection.agreement import (
    agreement_frame,
    shot_gradients,
    signal_frame,
    task_gradients,
)
from workbench.inspection.calibration import reliability_frame
from workbench.inspection.certificate import certificate_frame
from workbench.inspection.curvature import (
    curvature_frame,
    landscape_frame,
    largest_eigenvalues,
)
from workbench.inspection.diagnostics import diagnosed
from workbench.inspection.examples import example_frame, image_frame
from workbench.inspection.expectations import expectation_frame
from workbench.inspection.gradients import (
    Anatomy,
    anatomy,
    anatomy_frame,
    flow_frame,
    norm_frame,
)
from workbench.inspection.influence import influence_frame
from workbench.inspection.kinds import KINDS, compute, inspections_of, listing, table
from workbench.inspection.memory import embedding_frame, memory_frame, slot_frame, usage_frame
from workbench.inspection.ranking import ranking_frame
from workbench.inspection.recall import recall_frame
from workbench.inspection.regret import regret_frame
from workbench.inspection.rendered import rendered_frame
from workbench.inspection.results import (
    comparison_frame,
    evaluation_frame,
    seeds_frame,
    stacked,
)
from workbench.inspection.returns import return_frame
from workbench.inspection.sampling import sampling_frame
from workbench.inspection.tape import Tape
from workbench.inspection.trajectories import trajectory_frame
from workbench.inspection.variation import varied

__doc__ = (__doc__ or "").replace("{kinds}", listing())

__all__ = [
    "KINDS",
    "Anatomy",
    "Inspection",
    "Tape",
    "agreement_frame",
    "anatomy",
    "anatomy_frame",
    "certificate_frame",
    "comparison_frame",
    "compute",
    "curvature_frame",
    "curve_frame",
    "diagnosed",
    "diagnostics_frame",
    "embedding_frame",
    "evaluation_frame",
    "example_frame",
    "expectation_frame",
    "flow_frame",
    "image_frame",
    "influence_frame",
    "inspections_of",
    "landscape_frame",
    "largest_eigenvalues",
    "listing",
    "memory_frame",
    "metrics_frame",
    "mixture_frame",
    "norm_frame",
    "prediction_frame",
    "progress_frame",
    "pull_frame",
    "ranking_frame",
    "rate_frame",
    "recall_frame",
    "regret_frame",
    "reliability_frame",
    "rendered_frame",
    "return_frame",
    "sampling_frame",
    "second_order",
    "seeds_frame",
    "shot_gradients",
    "signal_frame",
    "slot_frame",
    "stacked",
    "step_frame",
    "table",
    "task_gradients",
    "trajectory_frame",
    "usage_frame",
    "varied",
]
