"""One level below a stage: the learner that another trains, as it is at one of its steps."""

from __future__ import annotations

from workbench.algorithms.capabilities import Trains
from workbench.errors import UserError
from workbench.inspection import Tape
from workbench.session.sources import Source


def source_below(tape: Tape, title: str, step: int, task: int) -> Source:
    """What a session one level below shows: the tasks that the step after this one is made by.

    title  what the learner of the tape is called
    """
    upper = tape.learner
    if not isinstance(upper, Trains):
        method = tape.learner_name if upper is None else type(upper).__name__
        raise UserError(Trains.lacking.format(what="One level below", method=method))
    if not 0 <= step <= tape.steps:
        raise UserError(f"there is no step {step} to open: choose 0 to {tape.steps}")
    learner, tasks = upper.below(tape[step], tape.episode, task)
    name = f"{type(learner).__name__} after {step} outer steps"
    note = f"family {task + 1} of {title}, on the tasks of its next outer step"
    return Source(name, note, learner, tape=Tape.record(learner, tasks), found_by_name=False)
