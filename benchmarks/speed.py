"""Times every contender on every problem, in turn, in one run.

Each contender lives in a process of its own, as in its user's hands: no library sees another's
threads, settings or allocator. Only one of them works at a time. The order alternates from round
to round, so that a drift of the machine's speed meets all of them alike.

The package's own processes keep the memory they free, as its trainer's do (`keep_freed_memory`);
the peers run as they come, or with `same_allocator` so too.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, NamedTuple

PEERS = ["higher", "learn2learn", "TorchOpt", "torchmeta", "vmap of grad", "JAX vmap + jit"]
TITLES = {
    "sinusoid": "sinusoid MLP 1-40-40-1, 25 tasks, 10 support and 10 query points",
    "conv-1": "conv4-64, 28x28, 16 tasks, 5-way 1-shot, 1 query a class",
    "conv-15": "conv4-64, 28x28, 16 tasks, 5-way 1-shot, 15 queries a class",
}
WORK = [("sinusoid", 1), ("sinusoid", 5), ("sinusoid", 10), ("conv-1", 1), ("conv-15", 1)]
TOLERANCE = 1e-8  # relative, of the whole meta-gradient in float64
SAMPLE = 0.15  # seconds that one timed sample lasts at least
PATIENCE = 240  # seconds that a contender has to build, compile and answer once
# Left out of the convolutional problems, and why.
TOO_SLOW = {
    "JAX vmap + jit": "left out: its convolutions under vmap take 5 to 25 s a call on a CPU"
}


@dataclass
class Worker:
    """A contender in a process of its own, waiting for work."""

    name: str
    process: Any
    pipe: Connection
    calls: int = 1

    def sample(self) -> float:
        """Milliseconds a meta-gradient."""
        self.pipe.send(self.calls)
        if not self.pipe.poll(PATIENCE):
            raise TimeoutError(f"{self.name} took more than {PATIENCE} s for {self.calls} calls")
        return 1000 * self.pipe.recv() / self.calls

    def stop(self) -> None:
        self.pipe.send(0)
        self.process.join()


def serve(pipe: Connection, name: str, work: str, steps: int, same_allocator: bool) -> None:
    """In the child: report the float64 meta-gradient or why there is none, then time on demand."""
    from benchmarks.peers import CONTENDERS
    from benchmarks.problems import exact, flat, make
    from workbench.training.execution import keep_freed_memory

    if name not in PEERS or same_allocator:
        keep_freed_memory()
    try:
        pipe.send(flat(CONTENDERS[name](exact(work, steps))()).numpy())
        call = CONTENDERS[name](make(work, steps))
        pipe.send(settled(call))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        return
    while calls := pipe.recv():
        pipe.send(timed(call, calls))


def settled(call: Any) -> float:
    """Seconds a call, once it has been called for as long as a sample lasts."""
    calls = 1
    while (seconds := timed(call, calls)) < SAMPLE:
        calls *= 2
    return seconds / calls


def timed(call: Any, calls: int) -> float:
    """Seconds of so many calls, after one that brings caches and threads back."""
    call()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def start(
    name: str, work: str, steps: int, same_allocator: bool, expected: Any
) -> tuple[Worker | None, str]:
    """A worker that gave the right meta-gradient, and what there is to say of it."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, name, work, steps, same_allocator), daemon=True
    )
    process.start()
    there.close()

    def receive() -> Any:
        if not here.poll(PATIENCE):
            process.kill()
            return f"it took more than {PATIENCE} s"
        try:
            return here.recv()
        except EOFError:
            return "its process died"

    answer = receive()
    if isinstance(answer, str):
        return None, f"left out: {answer}"
    error = float(abs(answer - expected).max() / abs(expected).max())
    note = "" if error <= TOLERANCE else f"DISAGREES with torch.func by {error:.1e}"
    seconds = receive()
    if isinstance(seconds, str):
        return None, f"left out: {seconds}"
    return Worker(name, process, here, max(1, round(SAMPLE / seconds))), note


def compare(
    work: str, steps: int, names: list[str], rounds: int, same_allocator: bool = False
) -> dict[str, Any]:
    """Milliseconds of every contender on one problem: all samples, medians, and notes."""
    from benchmarks.problems import exact, reference

    expected = reference(exact(work, steps)).numpy()
    workers, notes = [], {}
    for name in names:
        if work != "sinusoid" and name in TOO_SLOW:
            notes[name] = TOO_SLOW[name]
            continue
        worker, note = start(name, work, steps, same_allocator, expected)
        if note:
            notes[name] = note
        if worker is not None:
            workers.append(worker)
    samples: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for round_ in range(rounds):
        for worker in workers if round_ % 2 == 0 else reversed(workers):
            samples[worker.name].append(worker.sample())
    for worker in workers:
        worker.stop()
    return {
        "work": work,
        "steps": steps,
        "median_ms": {name: median(s) for name, s in samples.items()},
        "samples_ms": samples,
        "notes": notes,
    }


class Target(NamedTuple):
    """The fastest of `rivals` takes at least `least` times as long as the fastest of `own`."""

    own: list[str]
    rivals: list[str]
    least: float


CONV_PEERS = ["learn2learn", "TorchOpt", "torchmeta"]
TARGETS = {
    "sinusoid": [
        Target(["compiled"], ["higher"], 60),
        Target(["compiled"], ["JAX vmap + jit"], 1),
        Target(["workbench"], ["higher"], 12),
    ],
    "conv-1": [Target(["workbench", "chunks"], CONV_PEERS, 1.5)],
    "conv-15": [Target(["workbench", "chunks"], CONV_PEERS, 1.15)],
}


def contenders(work: str) -> list[str]:
    """The peers and the package's own paths for this kind of work."""
    return PEERS + ["workbench", "compiled" if work == "sinusoid" else "chunks"]


def judged(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each target's ratio, where both sides of it were measured."""
    found = []
    for own, rivals, least in TARGETS[result["work"]]:
        sides = [
            {name: result["median_ms"][name] for name in side if name in result["median_ms"]}
            for side in (own, rivals)
        ]
        if all(sides):
            ours, theirs = (min(side, key=side.__getitem__) for side in sides)
            ratio = sides[1][theirs] / sides[0][ours]
            found.append(
                {"ours": ours, "rival": theirs, "ratio": ratio, "least": least}
                | {"met": ratio >= least}
            )
    return found


def report(result: dict[str, Any]) -> str:
    """One problem's table: milliseconds, and how many times the fastest own path they are."""
    medians = result["median_ms"]
    own = [ms for name, ms in medians.items() if name not in PEERS]
    lines = [f"{TITLES[result['work']]}, K = {result['steps']}"]
    for name in contenders(result["work"]):
        note = result["notes"].get(name, "")
        if name in medians:
            times = f"{medians[name] / min(own):8.2f} x" if own else ""
            lines.append(f"  {name:<16}{medians[name]:10.2f} ms {times}  {note}".rstrip())
        else:
            lines.append(f"  {name:<16}{note}")
    for target in judged(result):
        lines.append(
            f"  {target['rival']} / {target['ours']}: {target['ratio']:.2f}, "
            f"target at least {target['least']}: {'met' if target['met'] else 'NOT MET'}"
        )
    return "\n".join(lines)
