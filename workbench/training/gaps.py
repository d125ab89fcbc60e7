"""Missing values: a learner asked again with more of them missing, and with more examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.algorithms.base import Learner
from workbench.errors import UserError
from workbench.measures import noted, warned
from workbench.tasks import Shape, open_tasks
from workbench.training.evaluation import evaluate

if TYPE_CHECKING:
    import pandas as pd


def gap_frame(
    learners: Mapping[str, tuple[Learner, str]],
    tasks: str,
    shape: Shape,
    *,
    shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 0.9),
    shots: Sequence[int] = (),
    share: float = 0.5,
    way: str = "random",
    episodes: int = 100,
) -> pd.DataFrame:
    """How well learners adapt by the share of values missing: a row a learner, share and task.

    learners  by a name, each with what it wants in the gaps: '' (flags), 'mean' or 'iterative'
    tasks     their name without what is missing, such as 'clinic:present'
    shares    that are missing, at the shape's own shots
    shots     that are tried at the one `share`
    way       in which they are missing: random, rule or groups

    method    the learner's name
    share     of the values that are missing, from 0 to 1
    shots     support examples
    task      which test task, the same for every learner
    metric    the name of what was measured
    value     after the last inner step

    >>> from workbench.training import preset
    >>> learner, _ = preset("digits-missing-protonet").build()
    >>> frame = gap_frame({"flags": (learner, "")}, "digits:patches", Shape(2, 1, 5),
    ...                   shares=(0.0, 0.5), shots=(1, 5), episodes=2)
    >>> len(frame), sorted(frame["share"].unique().tolist())
    (6, [0.0, 0.5])
    """
    import pandas as pd

    if not learners:
        raise UserError("there is no learner to ask: give at least one by its name")
    own = shape.shots if isinstance(shape.shots, int) else shape.shots[1]
    asked = dict.fromkeys([*((one, own) for one in shares), *((share, k) for k in shots)])
    pieces, measure, notice = [], None, ""
    for method, (learner, fill) in learners.items():
        for one, k in asked:
            options = [f"{way}-{round(100 * one)}", *([fill] if fill else [])]
            found = evaluate(
                learner,
                open_tasks("/".join([tasks, *options])),
                replace(shape, shots=k),
                episodes=episodes,
                every_step=False,
            )
            measure, notice = found.measure, found.notice
            pieces.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "share": float(one),
                        "shots": k,
                        "task": range(len(found.values)),
                        "metric": measure.name,
                        "value": found.per_task.tolist(),
                    }
                )
            )
    assert measure is not None
    return warned(noted(pd.concat(pieces, ignore_index=True), [measure]), notice)
