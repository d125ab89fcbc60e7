"""workbench evaluate, compare."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.numbers import number

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.measures import Measure
    from workbench.training import Run


@command
def evaluate(arguments: list[str]) -> int:
    """Measure a run on new tasks."""
    from workbench.training import name_of, run_of
    from workbench.training.crews import crew_for
    from workbench.training.evaluation import DEFAULT_SEED
    from workbench.training.spreading import evaluate_run

    def form(
        run: Path,
        /,
        *,
        episodes: int = 600,
        tasks: str | None = None,
        split: Literal["train", "validation", "test"] = "test",
        ways: int | None = None,
        shots: int | None = None,
        queries: int | None = None,
        steps: int | None = None,
        seed: int = DEFAULT_SEED,
        inductive: bool = False,
        checkpoint: Literal["best", "latest"] = "best",
        last_step_only: bool = False,
        workers: int = 1,
        dask: str | None = None,
        json: bool = False,
    ) -> None:
        """Adapt a trained learner to new tasks and measure after every inner step.

        Args:
            run: the run directory, or the name of a run that ships
            episodes: number of tasks
            tasks: other tasks than it was trained on, NAME or NAME:SCHEME
            split: which classes the tasks are made of
            ways: classes of a task; the run's own if not given, as the following
            shots: support examples a class
            queries: query examples a class
            steps: inner steps
            seed: which tasks are drawn; the same for every run unless changed
            inductive: normalise the query by the support's statistics
            checkpoint: the best one by validation, or the latest
            last_step_only: do not measure after the earlier steps, which takes long for images
            workers: processes that share the tasks; the result is the same
            dask: address of a dask scheduler whose workers share them instead
            json: one JSON object on standard output
        """
        opened = run_of(run)
        _note_diverged(opened)
        sizes = {"ways": ways, "shots": shots, "queries": queries}
        given = {name: size for name, size in sizes.items() if size is not None}
        with crew_for(workers, dask) as crew:
            result = evaluate_run(
                opened,
                checkpoint,
                tasks=tasks,
                shape=dataclasses.replace(opened.experiment.test, **given),
                episodes=episodes,
                split=split,
                steps=steps,
                seed=seed,
                inductive=True if inductive else None,
                every_step=not last_step_only,
                crew=crew,
            )
        if json:
            say_json(result.to_record())
            return
        about = f"{name_of(opened)} on {result.tasks}:{result.scheme}, {result.split} split"
        mode = ", transductive" if result.transductive else ""
        say(f"{about}, {len(result.values)} tasks{mode}")
        for step, column in enumerate(result.values.unbind(dim=1)):
            if text := said(column, result.measure):
                say(f"  after {step:>3} {result.axis}s  {result.metric} {text}")
        for sentence in filter(None, (result.diverged, result.notice)):
            say(f"  {sentence}")

    parse(form, arguments, "evaluate")
    return 0


def _note_diverged(run: Run) -> None:
    """Say beside the result that the training behind it diverged."""
    status = run.status()
    if status.state == "diverged":
        note(f"{run.directory} diverged in training, by iteration {status.iteration:,}")


def said(values: Tensor, measure: Measure) -> str:
    """A mean over tasks with its interval; of those that are finite where some diverged.

    >>> import torch
    >>> from workbench.measures import MSE
    >>> said(torch.tensor([1.0, 2.0, float("nan")]), MSE)
    '1.50 ± 6.35 over 2 tasks, diverged on 1'
    """
    from workbench.training.evaluation import interval

    finite = values[values.isfinite()]
    if not len(finite):
        return ""
    text = measure.said(float(finite.mean()), interval(finite))
    lost = len(values) - len(finite)
    return f"{text} over {len(finite):,} tasks, diverged on {lost:,}" if lost else text


@command
def compare(arguments: list[str]) -> int:
    """Compare runs on the same new tasks."""
    from workbench.training import compare as compare_runs
    from workbench.training.evaluation import DEFAULT_SEED
    from workbench.training.sweeps import runs_of

    def form(
        runs: tuple[Path, ...],
        /,
        *,
        episodes: int = 600,
        split: Literal["train", "validation", "test"] = "test",
        seed: int = DEFAULT_SEED,
        inductive: bool = False,
        json: bool = False,
    ) -> None:
        """Compare runs on identical tasks, paired; runs equal but for their seed are one group.

        Args:
            runs: run directories, sweeps' folders, or names of runs that ship
            episodes: number of tasks
            split: which classes the tasks are made of
            seed: which tasks are drawn
            inductive: normalise the query by the support's statistics
            json: one JSON object on standard output
        """
        opened = [unit for run in runs for unit in runs_of(run)]
        for one in opened:
            _note_diverged(one)
        result = compare_runs(
            opened,
            episodes=episodes,
            split=split,
            seed=seed,
            inductive=True if inductive else None,
        )
        record, measure = result.to_record(), result.measure
        if json:
            say_json(record)
            return
        say(f"{record['metric']} on {record['tasks']}:{record['scheme']}, {episodes} tasks")
        for group in record["groups"]:
            if group["diverged"]:
                say(f"  {group['name']}: {group['diverged']}")
                continue
            line = (
                f"  {group['name']}: {measure.said(group['mean'], group['ci95_tasks'])} over tasks"
            )
            if len(group["seeds"]) > 1:
                line += f", sd {measure.said(group['sd_seeds'])} over {len(group['seeds'])} seeds"
            say(line)
        for pair in result.pairs:
            gap = "no mean difference, for a task diverged"
            if math.isfinite(pair.difference):
                gap = f"{measure.said(pair.difference, pair.ci95)} paired"
            say(
                f"  {pair.first} - {pair.second}: {gap}; better on {pair.wins}, worse on "
                f"{pair.losses}, sign test p = {number(pair.sign_p, 2)}"
            )
        if (ranks := result.ranks) is not None:
            means = (f"{g.name} {r:.2f}" for g, r in zip(result.groups, ranks.mean, strict=True))
            say(
                f"  mean ranks: {', '.join(means)}; Friedman p = {number(ranks.friedman_p, 2)}, "
                f"critical difference {number(ranks.critical_difference)}"
            )
        if "notice" in record:
            say(f"  {record['notice']}")

    parse(form, arguments, "compare")
    return 0
