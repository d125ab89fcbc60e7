"""Warm starts: a study begins from what earlier studies of other tasks found.

Which of them is near is not told from what the tasks are called, but tried: the best settings of
each are the first trials. The study whose settings did best on the new tasks is the near one, and
its next best settings follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.errors import UserError
from workbench.training.tuning.space import Choice, Space
from workbench.training.tuning.study import Study

FOLLOWING = 3  # settings of the near study that are tried after its best
_NEAR, _PROBE = "near", "probe"


def check_warm(space: Space, earlier: Sequence[Study]) -> None:
    """Refuses to start from studies that say nothing of these settings."""
    for one in earlier:
        if not one.ranked():
            raise UserError(f"{one.directory} has no finished trial to start from: leave it out")
        if not _settings(space, one, 0):
            names = ", ".join(space)
            raise UserError(f"{one.directory} tuned none of {names}: leave it out")


def probe(study: Study, asked: Any) -> None:
    """Enqueue the best settings of each earlier study."""
    for place, one in enumerate(map(Study.open, study.warm)):
        origin = {"origin": str(one.directory), _PROBE: place}
        asked.enqueue_trial(_settings(study.space, one, 0), user_attrs=origin)


def follow(study: Study, asked: Any) -> None:
    """Once all probes have ended, enqueue the next best settings of the nearest study."""
    trials = asked.get_trials(deepcopy=False)
    probes = [t for t in trials if _PROBE in t.user_attrs]
    ended = [t for t in probes if t.state.is_finished()]
    if not probes or len(ended) < len(probes) or near(asked) is not None:
        return
    sign = study.measure.sign
    told = [t for t in ended if t.value is not None]
    best = max(told, key=lambda t: sign * t.value, default=None)
    asked.set_user_attr(_NEAR, "" if best is None else best.user_attrs["origin"])
    if best is None:
        return
    one = Study.open(study.warm[best.user_attrs[_PROBE]])
    for place in range(1, min(len(one.ranked()), 1 + FOLLOWING)):
        origin = {"origin": str(one.directory)}
        asked.enqueue_trial(_settings(study.space, one, place), user_attrs=origin)


def near(asked: Any) -> str | None:
    """The earlier study that was found to be near; None before that is known."""
    found: str | None = asked.user_attrs.get(_NEAR)
    return found


def _settings(space: Space, earlier: Study, place: int) -> dict[str, Choice]:
    """The settings of an earlier study's trial, the best one first, as far as they fit."""
    params = earlier.ranked()[place].params
    found = {n: d.nearest(params[n]) for n, d in space.items() if n in params}
    return {name: value for name, value in found.items() if value is not None}
