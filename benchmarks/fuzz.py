"""Bad commands, settings and files by the thousand: what does the command line make of them?

    .venv/bin/python -m benchmarks.fuzz                       1,000 cases, some minutes
    .venv/bin/python -m benchmarks.fuzz --seed 1 --count 60
    .venv/bin/python -m benchmarks.fuzz --case 17             one of them again, with all it says

Each case is drawn from the seed and its number alone. Counted are tracebacks (the workbench calls
it its own fault, or an exception leaves it), hangs (longer than it may take), answers that are not
one line, and what is half-written: a temporary file, a file that a refused command left behind, a
result that cannot be read. Most cases call the command line in this process, some in one of their
own, as those with files of methods must.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutations import ODD, changed, flipped, mutate
from workbench.inspection import KINDS

SECONDS = 20  # that a command may take in this process
ALONE = 90  # and in one of its own, which starts anew
MEMORY = 6 << 30  # bytes beyond what this process has when it begins
EACH = 25  # one case in so many has a process of its own

QUICK = ["--iterations", "2", "--training.tasks", "2", "--training.validation-tasks", "2"]
QUICK += ["--training.compiled", "off"]
RUNS = {
    "sine": ["train", "sinusoid-maml", *QUICK],
    "digits": ["train", "digits-protonet", *QUICK],
    "bandit": ["train", "bandit-rl2", *QUICK, "--train.shots", "4", "--test.shots", "4"],
}
WORDS = ["", "-1", "0", "1", "2.5", "1e9", "1000000000", "nan", "inf", "-inf", "x", "None", "none"]
WORDS += [
    "true",
    "1,5",
    "1 5",
    "../..",
    "/proc/none",
    "/dev/null",
    "\n",
    "é\u2028",
    "--",
    "-",
    "{}",
]
WORDS += [
    "9" * 40,
    "a" * 5000,
    "sinusoid:maml",
    "digits",
    "bandit",
    "test",
    "~",
    "*",
    "$HOME",
    "%s",
]
METHODS = {
    "broken": "def f(:\n",
    "conflict": "<<<<<<< ours\nx = 1\n=======\n",
    "raising": "raise RuntimeError('no')\n",
    "leaving": "raise SystemExit(0)\n",
    "stopping": "import sys\nsys.exit('bye')\n",
    "missing": "import not_there\n",
    "odd": "PRESETS = 5\n",
    "pair": "PRESETS = {'mine': ('a line',)}\n",
    "binary": "\0\0",
    "wrong": "PRESETS = {'mine': ('a line', 3)}\n",
}


@dataclass(frozen=True)
class Case:
    """A command in a folder that was made for it."""

    arguments: list[str]
    alone: bool = False


@dataclass(frozen=True)
class Answer:
    """What the command line made of a case; `fault` is empty where it behaved."""

    code: int | None
    err: str
    fault: str = ""


# ---- what is tried -------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """The good runs, traces and pages that cases spoil."""
    with here(folder):
        for name, arguments in RUNS.items():
            answer = in_this_process([*arguments, "--run", name], ALONE)
            assert answer.code == 0, answer.err
            trace = ["trace", name, "--out", f"{name}.metatrace", "--episodes", "2"]
            answer = in_this_process(trace, ALONE)
            assert answer.code == 0, answer.err


def make(good: Path, folder: Path, draw: random.Random) -> Case:
    """A case, with the files that it needs in the folder."""
    makers: list[Callable[[Path, Path, random.Random], Case]] = [_command, _settings, _run, _trace]
    maker = draw.choices([*makers, _method], [30, 30, 25, 20, 2])[0]
    return maker(good, folder, draw)


def _commands(name: str, draw: random.Random) -> list[str]:
    """A good command."""
    kind, split = draw.choice(list(KINDS)), draw.choice(["train", "validation", "test"])
    some = ["--episodes", "4", "--seed", str(draw.randrange(99)), "--split", split]
    return draw.choice(
        [
            ["presets"],
            ["data", "list"],
            ["data", "fetch", "omniglot", "--from", "nowhere"],
            ["check", "--jsn"],
            ["train", draw.choice(["sinusoid-maml", "digits-maml", "bandit-rl2"]), *QUICK],
            ["train", "--run", name, "--resume"],
            ["stop", name],
            ["evaluate", name, *some, "--steps", "2"],
            ["evaluate", name, *some, "--ways", "2", "--shots", "2", "--queries", "2", "--json"],
            ["evaluate", name, "--episodes", "4", "--tasks", "harmonics", "--last-step-only"],
            ["compare", name, f"{name}-again", *some],
            ["trace", name, *some, "--out", "new.metatrace", "--steps", "2"],
            ["trace", name, *some, "--out", "new.html"],
            ["inspect", name, kind, *some, "--out", "new.csv", "--task", "1"],
            ["inspect", f"{name}.metatrace", kind, "--out", "new.png", "--width", "double"],
            ["inspect", f"{name}.metatrace", kind, "--out", "new.svg", "--dark"],
        ]
    )


def _command(good: Path, folder: Path, draw: random.Random) -> Case:
    """A good command with one to three words dropped, doubled, swapped, misspelt or replaced."""
    name = draw.choice(list(RUNS))
    for run in (name, f"{name}-again"):
        shutil.copytree(good / name, folder / run)
    shutil.copy(good / f"{name}.metatrace", folder)
    words = _commands(name, draw)
    first = words[0]
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(1, len(words)) if len(words) > 1 else 0
        how = draw.randrange(6)
        if how == 0 and words:
            words.pop(place)
        elif how == 1:
            words.insert(place, draw.choice(WORDS))
        elif how == 2 and words:
            words.insert(place, words[place])
        elif how == 3 and words and words[place]:
            letter = draw.randrange(len(words[place]))
            words[place] = (
                words[place][:letter] + draw.choice("ae-_.0") + words[place][letter + 1 :]
            )
        elif words:
            words[place] = draw.choice(WORDS)
        if not words:
            break
    if (
        words == ["check"]
        or words[:1] == ["lab"]
        or (first == "data" and words[1:2] == ["fetch"] and len(words) < 5)
    ):
        words = ["data", "fetch", "nothing"]  # no server, no download, no minutes
    return Case(words)


def _settings(good: Path, folder: Path, draw: random.Random) -> Case:
    """A training of a preset with one to three settings of odd values."""
    from workbench.training import preset

    names = ["sinusoid-maml", "sinusoid-reptile", "digits-maml", "digits-protonet", "bandit-rl2"]
    names += ["sinusoid-taskmemory", "sinusoid-finetune", "sinusoid-metasgd"]
    name = draw.choice(names)
    record = preset(name).to_record()
    flags: list[str] = []
    for path in draw.sample(sorted(_fields(record)), draw.randint(1, 3)):
        value = draw.choice([*WORDS, *map(_text, ODD)])
        flags += [f"--{path.replace('_', '-')}", *([value] if draw.random() < 0.95 else [])]
    if draw.random() < 0.3:
        flags += [draw.choice(["--minutes", "--iterations", "--run"]), draw.choice(WORDS)]
    return Case(["train", name, *QUICK, "--run", "new", *flags])


def _fields(record: dict[str, Any], head: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict) and value:
            yield from _fields(value, f"{head}{name}.")
        elif name != "type":
            yield head + name


def _text(value: Any) -> str:
    return str(value)[:5000]


def _use(name: str, draw: random.Random) -> Case:
    """A command that reads a run."""
    return Case(
        draw.choice(
            [
                ["train", "--run", name, "--resume"],
                ["evaluate", name, "--episodes", "4", "--json"],
                ["compare", name, f"{name}-again", "--episodes", "4"],
                ["trace", name, "--out", "new.metatrace", "--episodes", "2", "--steps", "1"],
                ["inspect", name, "steps", "--out", "new.csv", "--episodes", "2"],
                ["stop", name],
            ]
        )
    )


def _run(good: Path, folder: Path, draw: random.Random) -> Case:
    """A run directory with a file spoilt, or gone."""
    name = draw.choice(list(RUNS))
    for run in (name, f"{name}-again"):
        shutil.copytree(good / name, folder / run)
    files = sorted(p for p in (folder / name).rglob("*") if p.is_file())
    path = draw.choice(files)
    content = path.read_bytes()
    how = draw.randrange(10)
    if how == 0:
        path.unlink()
    elif how == 1:
        path.unlink()
        path.mkdir()
    elif path.suffix == ".safetensors":
        mutate(path, "checkpoint", content, draw)
    elif how < 4 or not content:
        path.write_bytes(flipped(content or b"x", draw))
    elif path.suffix == ".json":
        path.write_text(json.dumps(changed(json.loads(content), draw)))
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
        odd = draw.choice([5, [], None, "x", changed({"top": rows[-1]}, draw).get("top")])
        rows.insert(draw.randint(0, len(rows)), odd)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_bytes(flipped(content, draw))
    return _use(name, draw)


def _trace(good: Path, folder: Path, draw: random.Random) -> Case:
    """A saved tape that was changed."""
    name = draw.choice(list(RUNS))
    path = folder / "bad.metatrace"
    mutate(path, "metatrace", (good / f"{name}.metatrace").read_bytes(), draw)
    ending = draw.choice(["csv", "png", "svg", "pdf"])
    kind = draw.choice(list(KINDS))
    return Case(["inspect", "bad.metatrace", kind, "--out", f"new.{ending}"])


def _method(good: Path, folder: Path, draw: random.Random) -> Case:
    """A file of methods that is none."""
    name = draw.choice(list(METHODS))
    (folder / "methods").mkdir()
    (folder / "methods" / f"{name}.py").write_text(METHODS[name])
    command = draw.choice([["presets"], ["train", "mine", *QUICK], ["train", "sinusoid-mam"]])
    return Case(command, alone=True)


# ---- what comes of it ----------------------------------------------------------------------------


class _TooLong(BaseException):
    """The alarm; nothing that catches an Exception catches it."""


@contextmanager
def here(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def in_this_process(arguments: list[str], seconds: float = SECONDS) -> Answer:
    """Call the command line here."""
    from workbench.cli import main

    def ring(*_: object) -> None:
        raise _TooLong

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    except _TooLong:
        return Answer(None, err.getvalue(), "hang")
    except BaseException:
        return Answer(None, traceback.format_exc(), "traceback")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return Answer(code, err.getvalue())


def in_one_of_its_own(arguments: list[str]) -> Answer:
    """Call it as a shell does."""
    program = "import sys; from workbench.cli import main; sys.exit(main())"
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    root = str(Path(__file__).parent.parent)
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=ALONE, env={**os.environ, "PYTHONPATH": root}
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", "hang")
    return Answer(done.returncode, done.stderr.decode(errors="replace"))


def tried(case: Case, alone: bool) -> Answer:
    """The answer to a case in the working folder, and what is wrong with it."""
    before = files()
    answer = in_one_of_its_own(case.arguments) if alone else in_this_process(case.arguments)
    if answer.fault:
        return answer
    err, fault = answer.err, ""
    if answer.code not in (0, 2, 130) or "Traceback (most" in err:
        fault = "traceback"
    elif answer.code == 2 and "usage:" not in err:
        said = [line for line in err.splitlines() if line.startswith("workbench: ")]
        beside = [line for line in err.splitlines() if line and not line.startswith("workbench: ")]
        notes = all(line.startswith(("run ", "/", "  ")) or "Warning" in line for line in beside)
        fault = "" if len(said) == 1 and (alone or notes) else "not one line"
    return Answer(answer.code, err, fault or half_written(answer.code, before))


def files() -> set[Path]:
    """Every file below the working folder."""
    return {
        path for path in Path().rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def half_written(code: int | None, before: set[Path]) -> str:
    """Why what was written is not whole; empty where it is."""
    from workbench.errors import UserError
    from workbench.inspection import Tape

    new = files() - before
    for path in new:
        beside = path.name.startswith(".") and path.name != ".lock"
        if beside or path.suffix in (".new", ".tmp"):
            return f"half-written: {path} was left"
        if (
            code == 2
            and "checkpoints" not in path.parts
            and not (path.parent / "checkpoints").is_dir()
        ):
            return f"half-written: {path} was written by a refused command"
        if path.stat().st_size == 0 and path.suffix in (".csv", ".png", ".svg", ".pdf", ".html"):
            return f"half-written: {path} is empty"
        if path.suffix == ".metatrace":
            try:
                Tape.load(path)
            except UserError as error:
                return f"half-written: {error}"
    return ""


def fuzz(seed: int, count: int, only: int | None = None) -> Counter[str]:
    """Try the cases; how many ended how."""
    found: Counter[str] = Counter()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        good.mkdir()
        prepare(good)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (max(size, used) + MEMORY, resource.RLIM_INFINITY))
        for number in range(count) if only is None else [only]:
            folder = Path(place) / str(number)
            folder.mkdir()
            draw = random.Random(f"{seed}:{number}")
            case = make(good, folder, draw)
            shell = not any("\0" in word for word in case.arguments)  # which no shell can pass on
            with here(folder):
                answer = tried(case, case.alone or (number % EACH == 0 and shell))
            kind = answer.fault.partition(":")[0] or {0: "done", 2: "refused"}.get(
                answer.code or 0, "interrupted"
            )
            found[kind] += 1
            if answer.fault or only is not None:
                print(f"\n{kind}, case {number} of seed {seed}: {_shell(case)}")
                print(f"  exit {answer.code} {answer.fault}")
                lines = [line for line in answer.err.splitlines() if line.strip()]
                shown = lines[-6:] if only is None else lines
                print("\n".join(f"  {line[:300]}" for line in shown))
            shutil.rmtree(folder, ignore_errors=True)
    bad = {name: found[name] for name in ("traceback", "hang", "half-written", "not one line")}
    told = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in list(bad.items())[:2])
    print(
        f"{found.total():,} cases of seed {seed}: {told}, {bad['half-written']} half-written, "
        f"{bad['not one line']} not in one line; {found['refused']} refused, {found['done']} done, "
        f"{found['interrupted']} interrupted; {time.perf_counter() - begun:.0f} s"
    )
    return Counter({name: n for name, n in bad.items() if n})


def _shell(case: Case) -> str:
    words = [word if len(word) < 60 else word[:60] + "…" for word in case.arguments]
    return f"workbench {' '.join(map(repr, words))}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which cases are drawn")
    parser.add_argument("--count", type=int, default=1000, help="how many")
    parser.add_argument("--case", type=int, help="only this one, with all that it says")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    return 1 if fuzz(options.seed, options.count, options.case) else 0


if __name__ == "__main__":
    sys.exit(main())
