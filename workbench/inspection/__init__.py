"""Inspection: what was computed, as tidy data frames with documented columns.

curve_frame       a regression task: truth, support, query, and the curve after every inner step
image_frame       a classification task: its images, and what was predicted of them
step_frame        loss and metric of every task after every inner step
evaluation_frame  the same from evaluations, for several methods
comparison_frame  each test task's result under each method
metrics_frame     training and validation by iteration
stacked           frames of several methods as one, told apart by a column

`workbench.figures` draws them.
"""

from workbench.inspection.adaptation import curve_frame, image_frame, step_frame
from workbench.inspection.results import (
    comparison_frame,
    evaluation_frame,
    metrics_frame,
    stacked,
)

__all__ = [
    "comparison_frame",
    "curve_frame",
    "evaluation_frame",
    "image_frame",
    "metrics_frame",
    "stacked",
    "step_frame",
]
