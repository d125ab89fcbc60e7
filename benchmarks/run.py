"""Runs the benchmarks in the environment that holds the peers, and prints tables of ratios.

    make bench                                   everything, some ten minutes on an idle machine
    make bench ARGS="--only speed --rounds 3"    one part, quicker
    make bench ARGS="--json bench.json"          and every sample into a file

Times are medians of one run on an otherwise idle machine; compare ratios, not milliseconds,
between machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import growth, imports, sampling, speed

PARTS = ["imports", "growth", "sampling", "latency", "speed"]
PACKAGES = ["torch", "higher", "learn2learn", "torchopt", "torchmeta", "jax"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure beside the peers.")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts to run")
    parser.add_argument("--rounds", type=int, default=7, help="timed samples of each contender")
    parser.add_argument(
        "--same-allocator",
        action="store_true",
        help="let the peers' processes keep freed memory too, as the package's own do",
    )
    parser.add_argument("--json", type=Path, help="a file for every sample and ratio")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    print(", ".join(f"{name} {value}" for name, value in found["machine"].items()), flush=True)

    # Growth comes before anything that makes this process large.
    if "imports" in options.only:
        found["imports"] = imports.compare()
        show(imports.report(found["imports"]))
    if "growth" in options.only:
        rows = growth.compare(growth.STEPS)
        found["growth"] = {"rows": rows, "targets": growth.judged(rows)}
        show(growth.report(rows))
    if "sampling" in options.only:
        found["sampling"] = sampling.compare()
        show(sampling.report(found["sampling"]))
    if "latency" in options.only:
        from benchmarks import latency  # needs a browser, which the other parts do not

        found["latency"] = latency.compare()
        show(latency.report(found["latency"]))
    if "speed" in options.only:
        found["speed"] = []
        for work, steps in speed.WORK:
            result = speed.compare(
                work, steps, speed.contenders(work), options.rounds, options.same_allocator
            )
            found["speed"].append(result | {"targets": speed.judged(result)})
            show(speed.report(result))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def show(text: str) -> None:
    print("\n" + text, flush=True)


def machine() -> dict[str, str]:
    """Cores and versions, 'missing' where a peer could not be installed."""
    found = {"cores": str(os.cpu_count()), "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


if __name__ == "__main__":
    main()
