"""What `import workbench` costs beyond torch's own import, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

PROGRAM = """
import time
import torch
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""
STATEMENTS = ["import workbench", "import workbench.algorithms, workbench.training.trainer"]


def seconds(statement: str, repeats: int = 5) -> float:
    """The median over fresh processes, the first left out: it may have to write bytecode."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    runs = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(repeats + 1)
    ]
    return median(runs[1:])


def compare() -> dict[str, float]:
    return {statement: seconds(statement) for statement in STATEMENTS}


def report(found: dict[str, float]) -> str:
    lines = ["import time beyond torch's"]
    lines += [f"  {statement:<58}{1000 * s:7.0f} ms" for statement, s in found.items()]
    verdict = "met" if found["import workbench"] < 0.3 else "NOT MET"
    return "\n".join([*lines, f"  target less than 300 ms: {verdict}"])
