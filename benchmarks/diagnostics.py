"""What watching a training costs: its share of the time, at each preset's own frequency.

    python -m benchmarks.diagnostics

A unit is one training in this process, on one thread. Outer steps, validations, diagnoses and
adaptations are timed in turns by the processor's time; a share is that of the medians, weighted by
how often each comes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from benchmarks.units import Rows, arguments, measure

PRESETS = ["sinusoid-maml", "digits-maml", "glyphs-protonet", "bandit-rl2"]
ROUNDS = 20
STEPS = 20  # timed together, since one compiled step takes a millisecond
MOST = 0.05  # the share that watching may take


def work(preset: str, seed: int, device: str = "cpu", scale: float = 1.0) -> Rows:
    """Time a preset's parts in turns."""
    from workbench.training import Trainer
    from workbench.training import preset as named
    from workbench.training.watching import adaptation, diagnostics

    experiment = replace(named(preset), seed=seed, device=device)
    trainer = Trainer(experiment)
    settings = experiment.training
    slow = preset.startswith("glyphs")
    count = 2 if slow else STEPS

    def steps() -> None:
        for _ in range(count):
            trainer.update()

    def diagnose() -> None:
        trainer.before = [p.detach().clone() for p in trainer.parameters.values()]
        diagnostics(trainer)

    parts: dict[str, Callable[[], object]] = {
        "steps": steps,
        "diagnosis": diagnose,
        "validation": trainer.validate,
        "adaptation": lambda: adaptation(trainer),
    }
    taken: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(1 + (3 if slow else max(1, round(ROUNDS * scale)))):
        for name, part in parts.items():
            started = time.process_time()
            part()
            if turn:  # the first turn imports and warms up
                taken[name].append(time.process_time() - started)
    median = {name: statistics.median(times) for name, times in taken.items()}
    step = median["steps"] / count
    watching = median["diagnosis"] / settings.diagnose_every
    watching += median["adaptation"] / settings.validate_every
    training = step + median["validation"] / settings.validate_every
    return [
        {
            "path": trainer.meta_gradients.path,
            "diagnose_every": settings.diagnose_every,
            "step_ms": 1e3 * step,
            "diagnosis_ms": 1e3 * median["diagnosis"],
            "validation_ms": 1e3 * median["validation"],
            "adaptation_ms": 1e3 * median["adaptation"],
            "share": watching / (training + watching),
        }
    ]


def table(frame: pd.DataFrame) -> str:
    """The share of each preset, over seeds, in Markdown."""
    head = ["preset", "path", "outer step", "diagnosis", "every", "adaptation", "share of the time"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for preset, rows in frame.groupby("preset", sort=False):
        row = rows.mean(numeric_only=True)
        lines.append(
            f"| {preset} | {rows['path'].iloc[0]} | {row['step_ms']:.2f} ms "
            f"| {row['diagnosis_ms']:.1f} ms | {row['diagnose_every']:.0f} "
            f"| {row['adaptation_ms']:.1f} ms | {100 * row['share']:.1f}% |"
        )
    return "\n".join(lines)


def main() -> None:
    options = arguments("diagnostics", __doc__ or "").parse_args()
    units = [
        {"preset": name, "seed": seed, "device": options.device, "scale": options.scale}
        for name in options.only or PRESETS
        for seed in options.seeds
    ]
    print(table(measure(units, work, options.out, workers=options.workers)))


if __name__ == "__main__":
    main()
