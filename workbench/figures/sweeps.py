"""A sweep of many trainings: what each combination of settings reached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.axes import dress, footnote, logarithmic, two_lines
from workbench.figures.columns import require
from workbench.figures.style import PAPER, Plot, Style, drawing
from workbench.measures import measure_in
from workbench.numbers import number

_NARROW, _WIDE = 0.9, 2.6  # points of the bars over tasks and over seeds


def sweep_results(frame: pd.DataFrame, *, style: Style = PAPER) -> Plot:
    """Each group's mean on test tasks, with its intervals over tasks and over training seeds.

    The broad pale bar is over seeds, the fine one over tasks; hollow marks are single seeds.

    frame  columns group, metric, mean, ci95_tasks, ci95_seeds and per_seed, as
           `workbench.training.by_group` makes them

    >>> from workbench.figures import examples
    >>> sweep_results(examples.sweep()).alt_text
    'accuracy (%) of 3 groups: order=first 95 ± 1.2 over tasks, ± 1.24 over seeds; order=second 97
    ± 0.9 over tasks, ± 0.497 over seeds; rate=0.1 90 ± 1.5 over tasks, ± 2.48 over seeds.'
    """
    columns = ["group", "metric", "mean", "ci95_tasks", "ci95_seeds", "per_seed"]
    require(frame, "sweep_results", columns, "training.by_group", ["mean"])
    measure = measure_in(frame, str(frame["metric"].iloc[0]))
    factor = measure.factor
    data = frame[np.isfinite(frame["mean"].to_numpy(dtype=float))]
    lost = [str(name) for name in frame["group"] if name not in set(data["group"])]
    said = []
    with drawing(style, (0.3 * len(data) + 0.95) * style.scale) as plot:
        axes = plot.subplots()
        colour, marker = style.look(0)
        bars = {"ci95_seeds": (_WIDE, 0.35), "ci95_tasks": (_NARROW, 1.0)}
        for place, row in enumerate(data.to_dict("records")):
            mean = factor * row["mean"]
            words = f"{row['group']} {number(mean)}"
            for name, (wide, alpha) in bars.items():
                half = factor * float(row[name])
                if np.isfinite(half):
                    ends = [mean - half, mean + half]
                    axes.plot(
                        ends, [place] * 2, "-", color=colour, alpha=alpha, lw=wide * style.scale
                    )
            for name, over in (("ci95_tasks", "tasks"), ("ci95_seeds", "seeds")):
                half = factor * float(row[name])
                words += f" ± {number(half)} over {over}," if np.isfinite(half) else ""
            said.append(words.rstrip(","))
            axes.plot([mean], [place], marker, color=colour, markersize=4.4 * style.scale, mew=0)
            seeds = factor * np.asarray(row["per_seed"], dtype=float)
            if len(seeds) > 1:
                axes.plot(
                    seeds, [place + 0.28] * len(seeds), marker, markersize=2.8 * style.scale,
                    markerfacecolor="none", markeredgecolor=colour, mew=0.6 * style.scale,
                )  # fmt: skip
        axes.set_yticks(range(len(data)), [two_lines(str(group)) for group in data["group"]])
        axes.set_ylim(len(data) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        dress(axes.xaxis, log=measure.unit != "%" and logarithmic(style, factor * data["mean"]))
        axes.set_xlabel(measure.axis)
        better = f"; {measure.better} is better" if measure.better else ""
        below = f"95% interval: fine, tasks; broad, seeds (hollow){better}"
        footnote(plot, below, style, style.before)
        groups = f"{len(frame)} groups" if len(frame) > 1 else "one group"
        plot.alt_text = f"{measure.axis} of {groups}: {'; '.join(said)}."
        if lost:
            plot.alt_text += f" Without a result: {', '.join(lost)}."
    return plot
