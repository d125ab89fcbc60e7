"""Draws the pictures of the README from finished runs.

    python tools/pictures.py --sine RUN --baseline RUN --images RUN RUN … [--out docs/images]

`--sine` and `--baseline` are runs of sinusoid-maml and sinusoid-finetune, `--images` runs on the
same images, the first of which draws the episode.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench import adapt
from workbench.figures import (
    ColumnWidth,
    Plot,
    Receipt,
    Style,
    adapted_curves,
    comparison,
    episode_grid,
    save,
)
from workbench.inspection import comparison_frame, curve_frame, image_frame, stacked
from workbench.training import Run, compare

WIDE = Style(ColumnWidth.DOUBLE)


def sinusoid(sine: Run, baseline: Run) -> tuple[Plot, Receipt]:
    """MAML and the pretrained network on the same five points."""
    frames = {}
    for name, run in {"MAML": sine, "pretrained on all tasks": baseline}.items():
        learner, tasks = run.load()
        episode = tasks.sample(1, seed=14, split="test", shape=run.experiment.test)
        frames[name] = curve_frame(learner.eval(), episode, list(adapt(learner, episode)))
    frame = stacked(frames)
    configuration = sine.experiment.to_record()
    return adapted_curves(frame, style=WIDE), Receipt.of(
        frame, code="python tools/pictures.py", seed=14, configuration=configuration
    )


def episode(run: Run) -> tuple[Plot, Receipt]:
    """A test episode with the learner's predictions."""
    learner, tasks = run.load()
    shown = tasks.sample(1, seed=7, split="test", shape=run.experiment.test)
    path = list(adapt(learner.eval(), shown))
    frame = image_frame(shown, learner, path[-1])
    configuration = run.experiment.to_record()
    return episode_grid(frame, style=WIDE), Receipt.of(
        frame, code="python tools/pictures.py", seed=7, configuration=configuration
    )


def methods(runs: list[Run]) -> tuple[Plot, Receipt]:
    """The methods on the same 600 test tasks."""
    found = compare(runs)
    frame = comparison_frame({group.name: group.evaluations for group in found.groups})
    configuration = {run.directory.name: run.experiment.to_record() for run in runs}
    return comparison(frame, style=WIDE), Receipt.of(
        frame, code="python tools/pictures.py", seed=0, configuration=configuration
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sine", type=Path)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--images", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    pictures = {}
    if given.sine and given.baseline:
        pictures["sinusoid"] = sinusoid(Run.open(given.sine), Run.open(given.baseline))
    if given.images:
        runs = [Run.open(path) for path in given.images]
        pictures["episode"] = episode(runs[0])
        pictures["comparison"] = methods(runs)
    for name, (plot, receipt) in pictures.items():
        save(plot, given.out / f"{name}.png", receipt)


if __name__ == "__main__":
    main()
