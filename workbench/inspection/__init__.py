"""Inspection: what was computed, as tidy data frames with documented columns.

`Tape` records an adaptation: it is rewound, branched, and saved with its frames to one file.

example_frame     a task's examples as they are: images, points, rows of numbers; and edits
curve_frame       a regression task: truth, support, query, and the curve after every inner step
image_frame       a classification task: its images, and what was predicted of them
prediction_frame  a classification task: the class and confidence of each query, by step
pull_frame        a control task: what was pulled, what it paid, and the policy's probabilities
step_frame        loss and metric of every task after every inner step, or move of a trial
norm_frame        norms of weights, gradients and updates by step and layer
flow_frame        the meta-gradient's norm on its way back through the inner steps
anatomy_frame     the meta-gradient's first-order term and each step's correction
agreement_frame   cosines between the gradients of tasks, and of a task's shots
signal_frame      signal to noise and conflict of those gradients by layer
curvature_frame   the largest eigenvalues of the loss's Hessian
landscape_frame   support and query loss in the plane of the path
influence_frame   what each support example does for the query, by leaving it out
memory_frame      what queries read of a memory: attention, or distances to prototypes
slot_frame        what was written to a memory, where, when, and by which example
usage_frame       how full and how used each slot was, and what had to go
embedding_frame   where examples lie in the embedding
certificate_frame the meta-gradient against finite differences
recall_frame      answers item by item, by how often their class was seen
reliability_frame how often a learner is right, by how sure it is
evaluation_frame  results after every inner step from evaluations, for several methods
comparison_frame  each test task's result under each method
metrics_frame     training and validation by iteration
stacked           frames of several methods as one, told apart by a column

`KINDS` has those of an adaptation by name; those in `WHOLE` show all tasks
of the episode, the others one. `workbench.figures` draws them.
"""

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
from workbench.inspection.examples import example_frame, image_frame
from workbench.inspection.gradients import (
    Anatomy,
    anatomy,
    anatomy_frame,
    flow_frame,
    norm_frame,
)
from workbench.inspection.influence import influence_frame
from workbench.inspection.kinds import KINDS, WHOLE, compute
from workbench.inspection.memory import embedding_frame, memory_frame, slot_frame, usage_frame
from workbench.inspection.recall import recall_frame
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
    "WHOLE",
    "Anatomy",
    "Tape",
    "agreement_frame",
    "anatomy",
    "anatomy_frame",
    "certificate_frame",
    "comparison_frame",
    "compute",
    "curvature_frame",
    "curve_frame",
    "embedding_frame",
    "evaluation_frame",
    "example_frame",
    "flow_frame",
    "image_frame",
    "influence_frame",
    "landscape_frame",
    "largest_eigenvalues",
    "memory_frame",
    "metrics_frame",
    "norm_frame",
    "prediction_frame",
    "pull_frame",
    "recall_frame",
    "reliability_frame",
    "shot_gradients",
    "signal_frame",
    "slot_frame",
    "stacked",
    "step_frame",
    "task_gradients",
    "usage_frame",
    "varied",
]
