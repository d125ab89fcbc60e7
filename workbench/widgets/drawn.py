"""What the training panel draws, for export: frames of runs, and the lines that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.inspection import diagnostics_frame, metrics_frame, progress_frame, stacked
from workbench.widgets.exporting import Subject

_MAKERS: dict[str, Any] = {
    "training": metrics_frame,
    "diagnostics": diagnostics_frame,
    "adaptation": progress_frame,
}


def subject_of(
    kind: str,
    places: Mapping[str, str],
    bands: Mapping[str, Sequence[str]],
    by: str,
    smoothing: float,
) -> Subject:
    """Training or diagnostics of runs together, or the adaptation of the newest.

    places  the directories of the runs, by name
    bands   the runs that are seeds of one experiment, by the name of the oldest
    """
    make, maker = _MAKERS[kind], _MAKERS[kind].__name__
    if kind == "adaptation":
        path = list(places.values())[-1]
        code = f'from workbench.inspection import {maker}\n\nframe = {maker}("{path}")'
        return Subject(kind, make(path), code, figure=kind)
    options: dict[str, Any] = {} if by == "iteration" else {"by": by}
    options |= {"smoothing": smoothing} if smoothing else {}
    groups = {name: name for name in places}
    for group, members in bands.items():
        groups |= dict.fromkeys(members, group)
    together: dict[str, dict[int, str]] = {}  # by group and seed
    for name, group in groups.items():
        seeds = together.setdefault(group, {})
        seeds[len(seeds)] = places[name]
    text, several = [], any(len(seeds) > 1 for seeds in together.values())
    for group, seeds in together.items():
        inner = ", ".join(f'{seed}: {maker}("{path}")' for seed, path in seeds.items())
        one = f'stacked({{{inner}}}, "seed")' if several else f'{maker}("{seeds[0]}")'
        text.append(f'"{group}": {one}')
    code = (
        f"from workbench.inspection import {maker}, stacked\n\n"
        f"frame = stacked({{{', '.join(text)}}})"
    )
    frame = stacked(
        {
            group: stacked({seed: make(path) for seed, path in seeds.items()}, "seed")
            if several
            else make(seeds[0])
            for group, seeds in together.items()
        }
    )
    return Subject(kind, frame, code, figure=kind, options=options)
