"""A session as code: the lines that make it again, and what is shown with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbench.session.sources import Source
from workbench.session.state import Cursor, Sampling, State
from workbench.tasks import in_memory

_ABSENT = object()
_COUNTING = (
    "# Python counts tasks, examples and slots from 0: task=1 is task 2 of the panels and figures"
)


def code_of(
    sources: Mapping[str, Source],
    usual: Sampling,
    state: State,
    here: Cursor,
) -> str:
    """The lines that make a session in this state, whose usual sampling need not be said."""
    lines = ["from workbench.widgets import Session", ""]
    if here.task or any(lane.edits or lane.memory for lane in state.lanes):
        lines.append(_COUNTING)
    own = [name for name, source in sources.items() if not source.found_by_name]
    lines += [f"# {variable(name)} is the {name} that was given to the session" for name in own]
    if state.sampling.tasks != usual.tasks and in_memory(state.sampling.tasks) is not None:
        lines.append(f"# {variable(state.sampling.tasks)} are the tasks that were given to it")
    lines.append(f"session = Session({_arguments(sources, own, usual, state.sampling)})")
    for place, lane in enumerate(state.lanes):
        if lane.parent is not None:
            if lane.parent != place - 1:
                lines.append(f"session.move(lane={lane.parent})")
            steps = {} if lane.steps is None else {"steps": lane.steps}
            before = state.lanes[lane.parent].settings
            changed = {k: v for k, v in lane.settings.items() if before.get(k, _ABSENT) != v}
            above = state.lanes[lane.parent]
            inside = above.parent is not None and above.at == lane.at
            if not lane.memory or steps or changed or inside:
                lines.append(f"session.branch({_call(lane.at, **steps, **changed)})")
            lines += [f"session.rewrite({_call(**one, step=lane.at)})" for one in lane.memory]
        else:
            if place > 0 or lane.learner != next(iter(sources), ""):
                lines.append(f"session.choose({lane.learner!r})")
            steps = {} if lane.steps is None else {"steps": lane.steps}
            if lane.settings or steps:
                lines.append(f"session.vary({_call(**lane.settings, **steps)})")
        lines += [_edit(edit) for edit in lane.edits]
    moved = {"lane": here.lane} if here.lane != len(state.lanes) - 1 else {}
    moved |= {name: getattr(here, name) for name in ("task", "step") if getattr(here, name)}
    if moved:
        lines.append(f"session.move({_call(**moved)})")
    return "\n".join(lines)


def _arguments(
    sources: Mapping[str, Source], own: list[str], usual: Sampling, sampling: Sampling
) -> str:
    """Learners by name, and the sampling where it is not what they come with."""
    parts = [variable(name) if name in own else f'"{name}"' for name in sources]
    moved = sampling.tasks != usual.tasks  # then the usual sizes are those of the new tasks
    sizes = ("ways", "shots", "queries") if moved else ()
    said, known = dataclasses.asdict(sampling), dataclasses.asdict(usual)
    words = {k: _word(v) for k, v in said.items() if v != known[k] or k in sizes}
    if moved and in_memory(sampling.tasks) is not None:
        words["tasks"] = variable(sampling.tasks)
    parts += [f"{name}={word}" for name, word in words.items()]
    return ", ".join(parts)


def _edit(edit: Mapping[str, Any]) -> str:
    """The line that makes an edit; a file that was opened is one of them."""
    what, how = edit["what"], {name: value for name, value in edit.items() if name != "what"}
    if what == "open":
        return f"session.open_episode({_word(how['path'])})"
    return f"session.edit({_call(what, **how)})"


def _call(*values: Any, **named: Any) -> str:
    """Arguments as Python writes them; dotted names go in one mapping."""
    plain = {name: value for name, value in named.items() if name.isidentifier()}
    dotted = {name: value for name, value in named.items() if not name.isidentifier()}
    parts = [_word(value) for value in values]
    if dotted:
        parts.append(_word(dotted))
    return ", ".join(parts + [f"{name}={_word(value)}" for name, value in plain.items()])


def _word(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(k)}: {_word(v)}" for k, v in value.items()) + "}"
    return repr(value)


def variable(name: str) -> str:
    """What code calls an object that only memory holds.

    >>> variable("own:3f2a")
    'own_3f2a'
    """
    return "".join(c if c.isalnum() else "_" for c in name).lower()
