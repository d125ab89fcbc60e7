"""Puts a trained run into data/runs, small: the learner and what was measured, no optimizer.

    .venv/bin/python tools/ship.py runs/my-run NAME

What ships is what `workbench train NAME …` made; data/runs/README.md says with which options.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from workbench.resources import resources
from workbench.training import Run
from workbench.training.checkpoints import Checkpoint, save_checkpoint

KEPT = ("method", "iteration", "seconds", "versions", "best")
ROWS = 200


def ship(directory: Path, name: str) -> Path:
    """Copy what a session needs of a run; the metrics are thinned to some `ROWS` rows."""
    run, target = Run.open(directory), resources("data") / "runs" / name
    checkpoint, _ = run.checkpoint("best")
    tensors = {k: t for k, t in checkpoint.tensors.items() if k.startswith("learner.")}
    header = {key: checkpoint.header[key] for key in KEPT if key in checkpoint.header}
    (target / "checkpoints").mkdir(parents=True, exist_ok=True)
    save_checkpoint(target / "checkpoints" / "best.safetensors", Checkpoint(tensors, header))
    record = json.dumps(run.experiment.to_record(), indent=2) + "\n"
    (target / "config.json").write_text(record)
    if (files := run.directory / "files").is_dir():
        shutil.copytree(files, target / "files", dirs_exist_ok=True)
    rows = run.metrics()
    validations = [row for row in rows if row["split"] != "train"]
    losses = [row for row in rows if row["split"] == "train"]
    thinned = losses[:: max(1, len(losses) // ROWS)]
    kept = sorted(validations + thinned, key=lambda row: row["iteration"])
    (target / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    (target / "status.json").write_text(
        json.dumps({"state": "finished", "reason": "", "iteration": checkpoint.header["iteration"]})
        + "\n"
    )
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    sys.stdout.write(f"{ship(Path(sys.argv[1]), sys.argv[2])}\n")
