"""Files from anywhere: whatever is changed in one, it is read, or refused in one sentence, soon.

A few hundred seeded mutations a kind of file. The tensors' fingerprint is made anew after each, as
a hostile writer would, so that the checks behind it are reached too.
"""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.mutations import changed, mutate
from tests.algorithms.cases import CASES
from workbench.algorithms import MAML, KnowledgeBase, Prototypical
from workbench.cli import main
from workbench.errors import UserError
from workbench.files import LARGEST
from workbench.inspection import Tape
from workbench.models import MLP
from workbench.session.showing import Showing
from workbench.tasks import Shape, edited, load_episode, open_tasks, save_episode
from workbench.widgets import Session

COUNT = 300  # mutations a kind of file
SECONDS = 5.0  # that one may take


def judged(use: Callable[[], object], what: str) -> bool:
    """Whether it was read; else it was refused, in one sentence; either within a bound of time."""
    begun, said = time.perf_counter(), ""
    try:
        use()
    except UserError as error:
        said = str(error)
    assert "\n" not in said, what
    assert len(said) < 1000, what
    assert time.perf_counter() - begun < SECONDS, what
    return not said


def episodes(folder: Path) -> list[Path]:
    digits = open_tasks("digits").sample(2, seed=0, shape=Shape((2, 3), (1, 2), 2))
    where = {"task": 0, "part": "support", "example": 0}
    digits = edited(digits, [{"what": "noise", **where}, {"what": "duplicate", **where}])
    bandit = open_tasks("bandit").sample(2, seed=0, shape=Shape(3, 4, 0))
    made = (digits, bandit, open_tasks("sinusoid").sample(2, seed=0))
    return [save_episode(folder / f"{n}.episode", one) for n, one in enumerate(made)]


def tapes(folder: Path) -> list[Path]:
    torch.manual_seed(0)
    shape, sine = Shape(2, 2, 2), Shape(1, 3, 3)
    digits = open_tasks("digits").sample(2, seed=0, shape=shape)
    made = [
        Tape.record(
            MAML(MLP(1, 1, hidden=(3,))), open_tasks("sinusoid").sample(2, seed=0, shape=sine)
        ),
        Tape.record(Prototypical(MLP(64, None, hidden=(3,))), digits),
        Tape.record(CASES["RL², GRU"].build(), CASES["RL², GRU"].episode()),
    ]
    return [tape.save(folder / f"{n}.metatrace") for n, tape in enumerate(made)]


def bases(folder: Path) -> list[Path]:
    base = KnowledgeBase.from_labels(torch.randn(12, 3), torch.arange(12) % 3, capacity=20)
    return [base.save(folder / "a.knowledge")]


def use_episode(path: Path) -> None:
    session = Session("digits-protonet", count=1, queries=2)
    session.open_episode(path)
    Showing(session)


def look_at(path: Path, folder: Path, kind: str, ending: str) -> None:
    tape = Tape.load(path)
    assert str(tape)
    assert tape.limited or tape.diverged or tape.nbytes >= 0
    Showing(Session(path)).about()
    tape.save(folder / "again.metatrace")
    code = main(["inspect", str(path), kind, "--out", str(folder / f"a.{ending}")])
    assert code in (0, 2)


def use_base(path: Path) -> None:
    base = KnowledgeBase.load(path)
    if len(base):
        base.touched(base.search(base.keys[:2], 1).entries).add(base.keys, base.values)


def test_episodes_from_anywhere(tmp_path: Path) -> None:
    draw, goods, read = random.Random(0), [p.read_bytes() for p in episodes(tmp_path)], 0
    path = tmp_path / "bad.episode"
    for number in range(COUNT):
        mutate(path, "episode", draw.choice(goods), draw)
        if judged(lambda: load_episode(path), f"mutation {number}"):
            read += 1
            if number % 4 == 0:
                judged(lambda: use_episode(path), f"use of mutation {number}")
    assert 0 < read < COUNT / 2


def test_tapes_from_anywhere(tmp_path: Path) -> None:
    made = tapes(tmp_path)
    draw, goods, read = random.Random(1), [p.read_bytes() for p in made], 0
    kinds = [list(Tape.load(p).frames) for p in made]
    path = tmp_path / "bad.metatrace"
    for number in range(COUNT):
        which = draw.randrange(len(goods))
        mutate(path, "metatrace", goods[which], draw)
        if judged(lambda: Tape.load(path), f"mutation {number}"):
            read += 1
            kind, ending = draw.choice(kinds[which]), draw.choice(["csv", "png"])
            look = functools.partial(look_at, path, tmp_path, kind, ending)
            judged(look, f"{kind} of mutation {number}")
    assert 0 < read < COUNT / 2


def test_frames_of_odd_rows_are_drawn_or_refused(tmp_path: Path) -> None:
    made = [Tape.load(path) for path in tapes(tmp_path)]
    draw, path, drawn = random.Random(4), tmp_path / "odd.metatrace", 0
    for number in range(COUNT // 3):
        tape = draw.choice(made)
        kind = draw.choice([*tape.frames])
        whole = tape.frame(kind)
        frame, column = whole.copy(), draw.choice([*whole.columns])
        how = draw.randrange(4)
        if how == 0:
            frame = frame.sample(n=len(frame) // 3, random_state=number).reset_index(drop=True)
        elif how == 1:
            frame = pd.concat([frame, frame], ignore_index=True)
        elif pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column] * 0 + draw.choice([-1, 999_999, 0])
        elif frame[column].map(type).eq(str).all():
            frame[column] = "odd"
        tape._frames[kind, 0] = frame
        tape.save(path)
        tape._frames[kind, 0] = whole
        begun = time.perf_counter()
        code = main(["inspect", str(path), kind, "--out", f"{path}.png"])
        assert code in (0, 2), f"{kind} of mutation {number}"
        assert time.perf_counter() - begun < SECONDS
        drawn += code == 0
    assert drawn > COUNT // 12


def test_knowledge_from_anywhere(tmp_path: Path) -> None:
    draw, goods, read = random.Random(2), [p.read_bytes() for p in bases(tmp_path)], 0
    path = tmp_path / "bad.knowledge"
    for number in range(COUNT):
        mutate(path, "knowledge", goods[0], draw)
        read += judged(lambda: use_base(path), f"mutation {number}")
    assert 0 < read < COUNT / 2


@pytest.mark.filterwarnings("ignore:.*the session begins anew")
def test_sessions_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = Session("sinusoid-maml", name="mine", count=2, queries=4)
    first.edit("move", task=1, part="support", example=2, x=0.5, y=1.5)
    first.branch(2, {"optimizer.momentum": 0.9}, steps=3)
    first.move(task=1, step=2)
    path, draw = tmp_path / ".workbench" / "sessions" / "mine.json", random.Random(3)
    good, restored = path.read_text(), 0
    for number in range(COUNT):
        record = json.loads(good)
        if number % 8 == 0:
            text = good[: draw.randrange(len(good))] + draw.choice(["", "[" * 100_000, "\0"])
            path.write_text(text)
        else:
            record.update(changed({k: v for k, v in record.items() if k != "origin"}, draw))
            path.write_text(json.dumps(record))
        session = None

        def begin() -> None:
            nonlocal session
            session = Session("sinusoid-maml", name="mine", count=2, queries=4)
            Showing(session).about()

        assert judged(begin, f"mutation {number}"), "a session begins, whatever its file holds"
        assert session is not None
        restored += session.restored
    assert 0 < restored < COUNT / 2


def test_a_session_that_cannot_be_read_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Session("sinusoid-maml", name="mine", count=1).vary(steps=3)
    path = tmp_path / ".workbench" / "sessions" / "mine.json"
    record = json.loads(path.read_text())
    record["state"]["lanes"][0]["steps"] = 10**12
    path.write_text(json.dumps(record))
    with pytest.warns(UserWarning, match="begins anew"):
        assert not Session("sinusoid-maml", name="mine", count=1).restored
    assert json.loads(path.with_name("mine.damaged.json").read_text()) == record


def test_what_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.metatrace"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)  # sparse: it takes no room on the disk
    with pytest.raises(UserError, match="quarter of this machine's memory"):
        Tape.load(path)
    with pytest.raises(UserError, match="inner steps takes"):
        Tape.record(MAML(MLP(1, 1)), open_tasks("sinusoid").sample(1, seed=0), steps=10**12)
