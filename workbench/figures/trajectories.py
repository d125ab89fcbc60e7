"""Control: where a policy goes before, while and after it adapts, and what that brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from workbench.figures.axes import dress
from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.numbers import number

_GHOSTS = 6  # earlier steps or episodes that are shown: more hide each other
_WALL = 0.5  # half the side of a cell


def policy_paths(frame: pd.DataFrame, *, step: int | None = None, style: Style = PAPER) -> Plot:
    """Trajectories in the plane, where there is one, and the reward so far by move.

    frame  columns step, part, trajectory, move, point, x, y, reward and value, as
           `workbench.inspection.trajectory_frame` makes them
    step   the inner step that is shown strong, by default the last; later ones are left out

    >>> from workbench.figures import examples
    >>> policy_paths(examples.trajectories()).alt_text
    'Trajectories of a policy: 3 after 2 inner steps, each of 5 moves. Mean return: −20.3 before
    adaptation, −3.19 after.'
    """
    columns = ["step", "part", "trajectory", "move", "point", "x", "y", "reward", "value"]
    require(frame, "policy_paths", columns, "trajectory_frame", ["reward"])
    step = int(frame["step"].max() if step is None else min(step, frame["step"].max()))
    placed = bool(frame["x"].notna().any())
    with drawing(style, style.height(0.62)) as plot:
        row = plot.subplots(1, 2 if placed else 1, squeeze=False)[0]
        shown = list(_shown(frame, step, style))
        if placed:
            _plane(row[0], frame, shown, style)
        _rewards(row[-1], shown, style)
        plot.key(*row)
        plot.alt_text = _describe(frame, step)
    return plot


def seen_at(frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """The rows of the trajectories that there are at a step: each from where it began last."""
    going = frame[frame["trajectory"].notna() & (frame["step"] <= step)]
    begun = going[going["move"] == 0].groupby("trajectory")["step"].max()
    return going[going["step"] >= going["trajectory"].map(begun)]


def is_trial(frame: pd.DataFrame) -> bool:
    """Whether a step adds a move to what there is, where others begin all trajectories anew."""
    going = frame[frame["trajectory"].notna()]
    return bool((going.loc[going["step"] == going["step"].min(), "move"] == 0).all())


Shown = tuple[pd.DataFrame, str, float, str | None]  # rows, colour, width and label


def _shown(frame: pd.DataFrame, step: int, style: Style) -> Iterator[Shown]:
    """What is drawn, back to front: before in grey, what lies between pale, the last strong."""
    now, scale = seen_at(frame, step), style.scale
    if is_trial(frame):
        groups = [(int(k), rows) for k, rows in now.groupby("trajectory")]
        word, last = "episode", groups[-1][0]
        first = 1
    else:
        groups = [(k, seen_at(frame, k)) for k in range(int(frame["step"].min()), step)]
        groups.append((step, now))
        word, last, first = "step", step, 0
        if step > 0:
            rows = groups.pop(0)[1]
            yield rows, style.before, 1.0 * scale, "before"
    between = groups[:-1][-_GHOSTS:]
    for index, (k, rows) in enumerate(between):
        label = None
        if index == len(between) // 2:
            ends = between[0][0] + first, between[-1][0] + first
            label = f"{word} {ends[0]}" if ends[0] == ends[1] else f"{word}s {ends[0]}–{ends[1]}"
        yield rows, style.steps(index / max(len(between), 2)), 0.7 * scale, label  # type: ignore[misc]
    before = word == "step" and last == 0
    colour = style.before if before else style.after
    yield groups[-1][1], colour, 1.3 * scale, "before" if before else f"{word} {last + first}"


def _plane(axes: Axes, frame: pd.DataFrame, shown: list[Shown], style: Style) -> None:
    walls, goal = (frame[frame["part"] == part] for part in ("walls", "goal"))
    for x, y in walls[["x", "y"]].to_numpy():
        axes.fill_between([x - _WALL, x + _WALL], y - _WALL, y + _WALL, color=style.faint, lw=0)
    for rows, colour, width, label in shown:
        path = rows[rows["part"] == "path"]
        for place, (_, one) in enumerate(path.groupby("trajectory")):
            known = label if place == 0 else None
            axes.plot(one["x"], one["y"], color=colour, linewidth=width, label=known)
    now = shown[-1][0]
    arm = now[(now["part"] == "arm") & (now["trajectory"] == now["trajectory"].max())]
    arm = arm[arm["move"] == arm["move"].max()]
    dot: dict[str, Any] = {"marker": "o", "markersize": 3.2 * style.scale, "zorder": 6}
    if len(arm):
        axes.plot(arm["x"], arm["y"], color=style.ink, label="joints", **dot)
    begin = now[(now["part"] == "path") & (now["move"] == 0)]
    hollow: dict[str, Any] = {
        "markerfacecolor": style.ground,
        "markeredgecolor": style.ink,
        "linestyle": "none",
    }
    axes.plot(begin["x"], begin["y"], label="begins", **hollow, **dot)
    star: dict[str, Any] = {
        "marker": "*",
        "markersize": 8 * style.scale,
        "zorder": 7,
        "linestyle": "none",
    }
    axes.plot(goal["x"], goal["y"], color=style.ink, label="goal", **star)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.set_aspect("equal", adjustable="datalim")
    for axis in (axes.xaxis, axes.yaxis):
        dress(axis, most=4)


def _rewards(axes: Axes, shown: list[Shown], style: Style) -> None:
    for rows, colour, width, label in shown:
        so_far = mean_so_far(rows)
        axes.plot(so_far.index, so_far, color=colour, linewidth=width, label=label)
    now = shown[-1][0]
    value = now[now["part"] == "path"].groupby("move")["value"].mean().dropna()
    if len(value):
        dashed: dict[str, Any] = {
            "linestyle": "--",
            "linewidth": 0.9 * style.scale,
            "label": "value expected",
        }
        axes.plot(value.index, value, color=style.before, **dashed)
    axes.set_xlabel("move")
    axes.set_ylabel("reward so far")
    dress(axes.xaxis, whole=True, most=4)
    dress(axes.yaxis)


def mean_so_far(rows: pd.DataFrame) -> pd.Series:
    """The rewards of the first 0, 1, 2 ... moves, the mean over trajectories that may have ended.

    >>> rows = pd.DataFrame({"part": "path", "trajectory": [0, 0, 1, 1, 1], "move": [0, 1, 0, 1, 2],
    ...                      "reward": [None, 1.0, None, 2.0, 2.0]})
    >>> mean_so_far(rows).tolist()
    [0.0, 1.5, 2.5]
    """
    path = rows[rows["part"] == "path"]
    table = path.pivot(index="move", columns="trajectory", values="reward")
    return table.astype(float).fillna(0.0).cumsum().mean(axis=1)


def _describe(frame: pd.DataFrame, step: int) -> str:
    now = seen_at(frame, step)
    now = now[now["part"] == "path"]
    returns = now.groupby("trajectory")["reward"].sum()
    if is_trial(frame):
        found = ", ".join(number(value) for value in returns)
        count = len(returns)
        return (
            f"A trial after {step} move{'s' if step != 1 else ''}: "
            f"{count} episode{'s' if count != 1 else ''} with the rewards {found}."
        )
    moves = int(now["move"].max())
    text = (
        f"Trajectories of a policy: {len(returns)} after {step} inner "
        f"step{'s' if step != 1 else ''}, each of {moves} moves"
    )
    if now.groupby("trajectory")["move"].max().nunique() > 1:
        text = text.replace("each of", "of at most")
    first = seen_at(frame, int(frame["step"].min()))
    before = first[first["part"] == "path"].groupby("trajectory")["reward"].sum().mean()
    after = f", {number(returns.mean())} after" if step else ""
    return f"{text}. Mean return: {number(before)} before adaptation{after}."
