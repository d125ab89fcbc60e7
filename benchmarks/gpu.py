"""On a GPU: meta-gradients eager, captured and compiled, against others, and two trainings.

    python -m benchmarks.gpu --device cuda

A unit is one contender on one problem: the median of many meta-gradients, each waited for, in
milliseconds, and the quartiles. All contenders run in one process, one after the other, on one
card. `error` is how far a contender's meta-gradient is from the exact one (ours in float64),
relative to its norm; the part `agreement` holds each in float64 against `torch.func`, task by
task. JAX takes TF32 where nobody says otherwise, so that it stands here twice. The part `training`
trains a preset for a minute of `--scale` and says how long all of its outer steps take at that
rate. What matters most is measured first. "Grouped" is without what a GPU does by itself: grouped
convolutions as batches of matrix products (`workbench.innerloop.products`). The figures in
`results/gpu.csv` are of three such processes that shared a card, each a third of the measurement.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from statistics import quantiles
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.peers import CONTENDERS, jax_compiled, workbench
from benchmarks.problems import Problem, cast, conv4, flat, reference, sinusoid
from benchmarks.units import arguments, measure
from workbench.errors import UserError
from workbench.innerloop import Precision, computing, products
from workbench.training import Experiment, evaluate, preset, train

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch is in the same process

OURS = {
    "eager": {"compiled": "off", "captured": "off"},
    "compiled": {"compiled": "on", "captured": "off"},
    "captured": {"compiled": "off", "captured": "on"},
    "compiled and captured": {"compiled": "on", "captured": "on"},
    "captured, grouped": {"compiled": "off", "captured": "on"},
}
PRECISIONS: dict[str, Precision] = {"float32": "highest", "TF32": "high", "bf16": "bf16"}
TITLES = {
    "sinusoid": "sinusoid MLP 1-40-40-1, 10 support and 10 query points",
    "conv": "conv4-64, 28x28, 5-way 1-shot",
}
# (part, tasks, queries, steps): what is measured, in order of importance
SHAPES = [
    ("sinusoid", 25, 10, 1), ("conv", 16, 1, 1), ("sinusoid", 25, 10, 5), ("conv", 16, 15, 1),
    ("sinusoid", 25, 10, 10), ("conv", 128, 15, 1), ("sinusoid", 1000, 10, 5), ("conv", 16, 1, 5),
]  # fmt: skip
TRAININGS = {"maml": 15, "protonet": 5}  # minutes that are the target
SAMPLE_SECONDS, FEWEST, MOST = 1.0, 5, 200


def contenders(part: str, tasks: int, steps: int) -> list[list[tuple[str, str]]]:
    """(contender, precision) on a problem: what matters most, what else is known, and the rest.

    A loop over tasks takes seconds where there are many.
    """
    best = ["captured", "captured, grouped" if part == "conv" else "compiled and captured"]
    first = [(name, p) for p in ("TF32", "float32") for name in ("JAX", *best)]
    second = [("eager", "float32"), ("vmap of grad", "float32")]
    last = [("eager", "TF32")]
    if part == "sinusoid":
        last += [("compiled", "float32")]
    elif steps == 1:
        last += [("captured", "bf16"), ("captured, grouped", "bf16")]
        last += [("compiled and captured", p) for p in ("TF32", "float32")]
    few = tasks <= 25 if part == "sinusoid" else (tasks, steps) == (16, 1)
    return [first, second, last + ([("higher", "float32")] if few else [])]


def made(part: str, tasks: int, queries: int, steps: int) -> Problem:
    """The problem of a unit, the same numbers each time."""
    torch.manual_seed(0)
    if part == "sinusoid":
        return sinusoid(steps, tasks=tasks, examples=queries)
    return conv4(steps, tasks, queries)


def moved(problem: Problem, device: str) -> Problem:
    """The problem on a device."""
    sides = [tuple(t.to(device) for t in side) for side in (problem.support, problem.query)]
    return replace(problem, model=problem.model.to(device), support=sides[0], query=sides[1])


def call_of(
    contender: str, precision: str, problem: Problem
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """The function that is timed, and what waits until its result is there."""

    def waited(result: Any) -> Any:
        if problem.support[0].is_cuda:
            torch.cuda.synchronize()
        return result

    if contender == "JAX":
        import jax  # type: ignore[import-not-found]

        jax.config.update(
            "jax_default_matmul_precision", "highest" if precision == "float32" else None
        )
        return jax_compiled(problem), jax.block_until_ready
    of_products(contender)
    if contender in OURS:
        how: dict[str, Any] = {**OURS[contender], "precision": PRECISIONS[precision]}
        return workbench(problem, **how), waited
    return CONTENDERS[contender](problem), waited


def of_products(contender: str) -> None:
    """Let grouped convolutions be products from now on, but where the contender says otherwise."""
    products.ON.clear()
    products.ON.update(() if "grouped" in contender else {"cuda"})


@functools.cache
def exact(device: str, **shape: Any) -> Tensor:
    """The meta-gradient of a problem in float64."""
    problem = cast(moved(made(**shape), device), torch.float64)
    return gradients_of("eager", "float32", problem)


def gradients_of(contender: str, precision: str, problem: Problem) -> Tensor:
    """A contender's meta-gradient as one vector in float64, on the CPU."""
    call, wait = call_of(contender, precision, problem)
    with in_precision(contender, precision, problem):
        found = [torch.from_dlpack(g) if contender == "JAX" else g for g in wait(call())]
    return flat(found).detach().double().cpu()


def in_precision(contender: str, precision: str, problem: Problem) -> AbstractContextManager[None]:
    """Others of torch get their precision from outside."""
    other = contender not in OURS and contender != "JAX"
    device = problem.support[0].device if other else torch.device("cpu")
    double = problem.support[0].dtype == torch.float64
    return computing(PRECISIONS[precision], device, timed=not double)


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def timed(unit: dict[str, Any], scale: float, device: str) -> dict[str, Any]:
    """Milliseconds a meta-gradient: the median and the quartiles of many, each waited for."""
    shape = {name: unit[name] for name in ("part", "tasks", "queries", "steps")}
    contender, precision = unit["contender"], unit["precision"]
    truth = exact(device, **shape)
    problem = moved(made(**shape), device)
    start = time.perf_counter()
    call, wait = call_of(contender, precision, problem)
    samples: list[float] = []
    with in_precision(contender, precision, problem):
        for _ in range(3):
            result = wait(call())
        ready = time.perf_counter() - start
        end = time.perf_counter() + SAMPLE_SECONDS * scale
        while len(samples) < FEWEST or (len(samples) < MOST and time.perf_counter() < end):
            before = time.perf_counter()
            result = wait(call())
            samples.append(1000 * (time.perf_counter() - before))
    found = [torch.from_dlpack(g) if contender == "JAX" else g for g in result]
    low, middle, high = quantiles(samples, n=4)
    return {
        "ms": middle,
        "low": low,
        "high": high,
        "calls": len(samples),
        "ready_seconds": ready,
        "error": distance(flat(found).detach().double().cpu(), truth),
    }


def agreement(unit: dict[str, Any], device: str) -> dict[str, Any]:
    """How far a contender is in float64 from `torch.func`, which takes one task at a time."""
    work = unit["problem"]
    problem = cast(made(work, 5, 10 if work == "sinusoid" else 1, unit["steps"]), torch.float64)
    problem = moved(problem, device)
    expected = reference(problem).detach().double().cpu()
    return {"error": distance(gradients_of(unit["contender"], "float32", problem), expected)}


def training(unit: dict[str, Any], scale: float, device: str) -> dict[str, Any]:
    """A preset at its paper's settings, for a minute; what all of its outer steps take."""
    of_products(unit["contender"])
    experiment = of_what_there_is(unit["problem"])
    whole = experiment.training
    # Chunks on threads are for a CPU, and looks at the meta-gradient are none of the paper's.
    shown = {"tasks_per_chunk": 0, "threads": 1, "diagnose_every": 0, "validate_every": 0}
    experiment = replace(
        experiment,
        device=device,
        precision=PRECISIONS[unit["precision"]],
        training=replace(whole, **shown),  # type: ignore[arg-type]
    )
    with tempfile.TemporaryDirectory() as directory:
        outcome = train(experiment, f"{directory}/run", minutes=scale, progress=False)
        assert outcome.run is not None
        header = outcome.run.checkpoint("latest")[0].header
    print(f"{unit}: {header['note']}, {header['certificates']}", flush=True)
    rows = [row for row in outcome.metrics if row["split"] == "train"]
    if len(rows) < 2:
        raise RuntimeError(f"only {outcome.iteration} outer steps were made: take a larger scale")
    first, last = rows[0], rows[-1]  # what stands in a row was waited for
    for _ in range(2):  # the first makes ready what all others find
        validation = evaluate(
            outcome.learner,
            outcome.tasks,
            experiment.test,
            episodes=whole.validation_tasks,
            split="validation",
            every_step=False,
        )
    rate = (last["seconds"] - first["seconds"]) / (last["iteration"] - first["iteration"])
    started = first["seconds"] - rate * first["iteration"]
    return {
        "data": experiment.tasks,
        "way": header["path"],
        "iterations": outcome.iteration,
        "of": whole.iterations,
        "seconds": outcome.seconds,
        "ms": 1000 * rate,
        "validations": whole.iterations // whole.validate_every,
        "validation_seconds": validation.seconds,
        "minutes": (
            started
            + rate * whole.iterations
            + validation.seconds * (whole.iterations // whole.validate_every)
        )
        / 60,
        "validation": validation.mean,
    }


def of_what_there_is(problem: str) -> Experiment:
    """The preset on Omniglot, on its background set, or on the built-in glyphs."""
    experiment = preset(f"omniglot-{problem}")
    for tasks in ("omniglot", "omniglot:background-only"):
        with suppress(UserError):
            found = replace(experiment, tasks=tasks)
            found.open_tasks()
            return found
    return preset(f"glyphs-{problem}")


def work(scale: float, device: str, **unit: Any) -> list[dict[str, Any]]:
    """One unit, and the card that it was measured on."""
    if unit["part"] == "training":
        row = training(unit, scale, device)
    elif unit["part"] == "agreement":
        row = agreement(unit, device)
    else:
        row = timed(unit, scale, device)
    gc.collect()
    card = "CPU"
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        card = torch.cuda.get_device_name()
    return [{**row, "card": card, "torch": torch.__version__}]


def units() -> list[dict[str, Any]]:
    """All that is measured, what matters most first."""
    shapes = [
        ({"part": part, "tasks": tasks, "queries": queries, "steps": steps},
         contenders(part, tasks, steps))
        for part, tasks, queries, steps in SHAPES
    ]  # fmt: skip
    found: list[dict[str, Any]] = [
        {**shape, "contender": contender, "precision": precision}
        for turn in range(3)
        for shape, turns in shapes
        for contender, precision in turns[turn]
    ]
    found += [
        {"part": "training", "problem": problem, "contender": contender, "precision": precision}
        for precision in ("TF32", "float32")
        for problem in TRAININGS
        for contender in ("captured", "captured, grouped")
        if problem == "maml" or contender == "captured"
    ]
    return found + [
        {"part": "agreement", "problem": problem, "steps": 1, "contender": name}
        for problem in ("sinusoid", "conv")
        for name in (*OURS, "JAX", "vmap of grad", "higher")
        if problem == "sinusoid" or "compiled" not in name
        if problem == "conv" or "products" not in name
    ]


def table(frame: pd.DataFrame) -> str:
    """Markdown: milliseconds a meta-gradient, JAX over ours, agreement, and the trainings."""
    lines: list[str] = []
    for part, title in TITLES.items():
        own = frame[frame["part"] == part]
        if own.empty:
            continue
        names = own[["contender", "precision"]].drop_duplicates().itertuples(index=False)
        columns = [tuple(name) for name in names]
        heads = [f"{name}, {precision}" for name, precision in columns]
        lines += [f"{title}, ms ({', '.join(sorted(own['card'].unique()))}):", ""]
        lines += [f"| tasks, queries, K | {' | '.join(heads)} | JAX / ours |"]
        lines += ["|---|" + "---|" * (len(heads) + 1)]
        for (tasks, queries, steps), rows in own.groupby(["tasks", "queries", "steps"], sort=False):
            ms = {(r.contender, r.precision): float(r.ms) for r in rows.itertuples()}
            cells = [f"{ms[c]:.3g}" if c in ms else "" for c in columns]
            shown = " | ".join([f"{tasks:.0f}, {queries:.0f}, {steps:.0f}", *cells])
            lines.append(f"| {shown} | {ratios(ms)} |")
        lines += ["", f"Relative error in float32, TF32, bf16 at most: {errors(own)}.", ""]
    own = frame[frame["part"] == "agreement"]
    if not own.empty:
        worst = float(own["error"].max())
        lines += [f"In float64 all agree with `torch.func` to {worst:.0e}.", ""]
    for row in frame[frame["part"] == "training"].itertuples():
        lines.append(
            f"- {row.problem} on {row.data}, {row.precision}, {row.contender}: "
            f"{row.ms:.2f} ms an outer step, so {row.of:,.0f} of them and {row.validations:.0f} "
            f"validations of {row.validation_seconds:.2f} s in {row.minutes:.1f} minutes (measured "
            f"over {row.iterations:,.0f}; target {TRAININGS[row.problem]})"
        )
    return "\n".join(lines)


def ratios(ms: dict[tuple[str, str], float]) -> str:
    """JAX over the fastest of ours, in each precision."""
    found = []
    for precision in ("float32", "TF32"):
        own = [t for (name, p), t in ms.items() if name in OURS and p == precision]
        if own and ("JAX", precision) in ms:
            found.append(f"{ms['JAX', precision] / min(own):.2f} {precision}")
    return ", ".join(found)


def errors(own: pd.DataFrame) -> str:
    """The largest error of ours in each precision."""
    ours = own[own["contender"].isin(list(OURS))]
    largest = ours.groupby("precision")["error"].max()
    return ", ".join(f"{largest[p]:.0e}" for p in PRECISIONS if p in largest)


def chosen_of(unit: dict[str, Any], only: list[str] | None) -> bool:
    """Whether a unit is of a part (`sinusoid`) or a problem (`sinusoid-25-10-1`) that is asked for.

    >>> chosen_of({"part": "training", "problem": "maml"}, ["training-maml"])
    True
    """
    shape = [str(unit[name]) for name in ("problem", "tasks", "queries", "steps") if name in unit]
    return not only or unit["part"] in only or "-".join([unit["part"], *shape]) in only


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("gpu", __doc__.splitlines()[0])
    parser.add_argument("--contenders", nargs="*", default=None, help="these alone")
    chosen = parser.parse_args()
    todo = [
        {**unit, "scale": chosen.scale, "device": chosen.device}
        for unit in units()
        if chosen_of(unit, chosen.only)
        if not chosen.contenders or unit.get("contender", "") in ("", *chosen.contenders)
    ]
    print(table(measure(todo, work, chosen.out)))


if __name__ == "__main__":
    main()
