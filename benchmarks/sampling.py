"""What sampling costs beside the training step that it feeds: in blocks, as the trainer does it."""

from __future__ import annotations

import time
from typing import Any

PRESETS = [
    *("sinusoid-maml", "glyphs-maml", "glyphs-protonet", "clinic-metasgd", "clinic-protonet"),
    *("clinic-missing-metasgd", "digits-missing-protonet"),
]
LEAST_STEPS = 20


def measure(name: str) -> dict[str, Any]:
    """Milliseconds of sampling and of the rest of an iteration, over whole blocks."""
    from workbench.training import preset
    from workbench.training.trainer import Trainer

    trainer = Trainer(preset(name))
    trainer.update()  # compiles, where it compiles
    block = trainer.episodes.block_size
    iterations = range(block, block * (1 + -(-LEAST_STEPS // block)))
    sampling = step = 0.0
    for i in iterations:
        start = time.perf_counter()
        trainer.episodes[i]
        sampled = time.perf_counter()
        trainer.iteration = i
        trainer.update()  # finds the episode sampled
        sampling += sampled - start
        step += time.perf_counter() - sampled
    return {
        "preset": name,
        "sampling_ms": 1000 * sampling / len(iterations),
        "step_ms": 1000 * step / len(iterations),
        "ratio": sampling / step,
    }


def compare() -> list[dict[str, Any]]:
    return [measure(name) for name in PRESETS]


def report(rows: list[dict[str, Any]]) -> str:
    lines = ["sampling beside a training step, milliseconds an iteration"]
    for row in rows:
        verdict = "met" if row["ratio"] < 0.1 else "NOT MET"
        lines.append(
            f"  {row['preset']:<24}{row['sampling_ms']:9.3f} and {row['step_ms']:9.2f}:"
            f" {row['ratio']:.3f}, target below 0.1: {verdict}"
        )
    return "\n".join(lines)
