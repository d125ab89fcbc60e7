"""Session: one shared state, from which everything is computed, saved, restored and coded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
import torch

from workbench.errors import UserError
from workbench.inspection import Tape
from workbench.session.session import Session
from workbench.session.showing import Showing
from workbench.session.state import State


@pytest.fixture
def session():
    return Session("sinusoid-maml", "sinusoid-finetune", seed=3, count=2, queries=5)


def values(tape: Tape) -> list[torch.Tensor]:
    return [t for adapted in tape for t in adapted.values.values()]


def same(a: Tape, b: Tape) -> bool:
    return all(torch.equal(x, y) for x, y in zip(values(a), values(b), strict=True))


def test_it_starts_at_what_the_learner_was_made_for(session):
    assert session.state.sampling.tasks == "sinusoid:maml"
    assert (session.state.sampling.shots, session.state.sampling.queries) == (5, 5)
    assert len(session.episode) == 2
    assert session.tape.steps == 10
    assert session.kind == "regression"


def test_a_drag_is_one_edit_and_undone_at_once(session):
    before = session.frame("curves")
    for y in (0.5, 1.0, 1.5):
        session.edit("move", task=0, part="support", example=2, y=y)
    assert len(session.lanes[0].edits) == 1
    assert float(session.episode.support.y[0, 2, 0]) == 1.5
    session.undo()
    assert session.frame("curves").equals(before)
    with pytest.raises(UserError, match="nothing to undo"):
        session.undo()


def test_noise_is_set_and_not_added_up(session):
    for amount in (0.5, 0.1):
        session.edit("noise", task=0, part="support", example=0, amount=amount)
    assert [edit["amount"] for edit in session.lanes[0].edits] == [0.1]


def test_an_episode_is_kept_in_a_file_and_opened_again(session, tmp_path):
    session.edit("move", task=0, part="support", example=2, y=1.5)
    kept = session.episode.sha256()
    path = session.save_episode(tmp_path / "mine.episode")
    session.sample(seed=8)
    session.branch(2)
    session.open_episode(path)
    assert session.episode.sha256() == kept
    assert len(session.lanes) == 1
    session.edit("drop", task=0, part="support", example=0)
    state, code = session.state, session.code()
    assert f'session.open_episode("{path}")' in code
    again = {}
    exec(code, again)
    assert again["session"].episode.sha256() == session.episode.sha256()
    assert State.from_record(state.to_record()) == state
    session.undo()
    session.undo()
    assert session.state.sampling.seed == 8
    with pytest.raises(UserError):
        session.open_episode(tmp_path / "none.episode")


def test_the_panels_hear_of_another_lane(session):
    session.branch(2, inner_rate=0.1)
    heard = []
    session.watch(heard.append)
    session.move(lane=0)
    session.move(step=1)
    assert heard == ["task", "cursor"]


def test_a_slide_is_undone_at_once(session, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("workbench.session.session.time.monotonic", lambda: now[0])
    for rate in (0.02, 0.03, 0.04):
        session.vary(inner_rate=rate)
        now[0] += 0.1
    now[0] += 5
    session.vary(inner_rate=0.05)
    session.undo()
    assert session.lanes[0].settings == {"inner_rate": 0.04}
    session.undo()
    assert session.lanes[0].settings == {}
    assert not session.can_undo


def test_a_refused_change_leaves_everything_as_it_was(session):
    tape, state = session.tape, session.state
    with pytest.raises(UserError, match="inner_rate"):
        session.vary(inner_rate=-1.0)
    with pytest.raises(UserError, match="there are no tasks"):
        session.sample(tasks="sinusoidd")
    with pytest.raises(UserError):
        session.edit("move", task=0, part="support", example=99, y=1.0)
    assert session.tape is tape
    assert session.state == state


def test_branches_share_the_way_to_them_and_follow_edits_of_their_parent(session):
    lane = session.branch(2, inner_rate=0.2)
    assert lane == session.cursor.lane == 1
    parent, child = session.tape_of(0), session.tape_of(1)
    assert child[2] is parent[2]
    assert not torch.equal(
        child[3].values["weights.head.bias"], parent[3].values["weights.head.bias"]
    )
    session.move(lane=0)
    session.edit("move", task=0, part="support", example=0, y=2.0)
    assert session.tape_of(1)[2] is session.tape_of(0)[2]
    assert session.tape_of(1).learner.settings.inner_rate == 0.2
    inner = session.branch(4)
    session.move(lane=1)
    session.remove(1)
    assert len(session.lanes) == inner
    assert session.lanes[1].parent == 0


def test_lanes_that_did_not_change_are_not_computed_again(session):
    session.branch(2, inner_rate=0.2)
    first = session.tape_of(0)
    session.vary(inner_rate=0.3)
    assert session.tape_of(0) is first


def test_another_learner_adapts_to_the_same_edited_points(session):
    session.edit("move", task=0, part="support", example=2, y=1.5)
    session.choose("sinusoid-finetune")
    assert float(session.episode.support.y[0, 2, 0]) == 1.5
    assert session.tape.learner_name == "PretrainedRegression"
    with pytest.raises(UserError, match="did you mean 'sinusoid-maml'"):
        session.choose("sinusoid-mam")


def test_learners_stand_in_lanes_beside_each_other_on_the_same_points(session):
    session.branch(2, inner_rate=0.2)
    session.move(lane=0, step=3)
    session.choose("sinusoid-finetune")
    assert [lane.learner for lane in session.lanes] == ["sinusoid-maml"] * 2 + ["sinusoid-finetune"]
    assert (session.cursor.lane, session.cursor.step) == (2, 3)  # nothing was thrown away
    session.edit("move", task=0, part="support", example=2, y=1.5)  # one episode, one edit
    assert [float(session.episode_of(lane).support.y[0, 2, 0]) for lane in range(3)] == [1.5] * 3
    assert Showing(session).about()["edits"] == 1
    session.vary(inner_rate=0.01)
    branch = session.branch(1, inner_rate=0.02)
    assert session.lanes[branch].parent == 2
    again: dict[str, object] = {}
    exec(session.lines(), again)
    made = again["session"]
    assert made.state == session.state  # type: ignore[attr-defined]
    assert made.cursor == session.cursor  # type: ignore[attr-defined]
    session.move(lane=branch)
    session.choose("sinusoid-maml")
    assert (session.cursor.lane, len(session.lanes)) == (0, 4)  # it is there already
    session.move(lane=branch)
    session.sample(seed=5)
    assert [lane.learner for lane in session.lanes] == ["sinusoid-maml", "sinusoid-finetune"]
    assert session.cursor.lane == 1
    assert session.lanes[1].settings == {"inner_rate": 0.01}
    session.remove(1)
    assert session.cursor.lane == 0
    assert State.from_record(made.state.to_record()) == made.state  # type: ignore[attr-defined]


def test_who_looks_at_the_outcome_looks_at_the_others(session):
    session.move(step=session.tape.steps)
    session.choose("sinusoid-finetune")
    assert session.cursor.step == session.tape.steps > 0


def test_the_cursor_stays_inside_and_tells_its_watchers(session):
    told: list[str] = []
    end = session.watch(told.append)
    session.move(step=99, task=-1)
    assert (session.cursor.step, session.cursor.task) == (10, 0)
    session.move(task=1)
    session.sample(count=1)
    assert session.cursor.task == 0
    assert told == ["cursor", "task", "state"]
    end()
    session.move(step=0)
    assert len(told) == 3
    with pytest.raises(UserError, match="did you mean 'step'"):
        session.move(stpe=1)


def test_one_more_step_goes_on_from_the_same_values(session):
    before = list(session.tape)
    session.move(step=10)
    session.extend()
    assert session.tape.steps == session.cursor.step == 11
    for old, new in zip(before, session.tape, strict=False):
        assert all(torch.equal(old.values[n], new.values[n]) for n in old.values)


def everything(session: Session) -> None:
    session.vary(inner_rate=0.02, steps=4)
    session.edit("move", task=1, part="support", example=2, x=0.5, y=1.5)
    session.edit("noise", task=0, part="support", example=None, amount=0.3, seed=1)
    session.branch(2, {"optimizer.momentum": 0.9}, steps=6)
    session.edit("drop", task=0, part="support", example=0)
    session.move(task=1, step=3)


def test_the_code_makes_the_same_frames_in_a_fresh_process(session, tmp_path):
    from workbench.figures.columns import frame_sha256

    everything(session)
    kinds = ["curves", "steps", "examples", "landscape"]
    code = (
        session.code()
        + f"""
from workbench.figures.columns import frame_sha256
for kind in {kinds}:
    print(frame_sha256(session.frame(kind)))
session.remove(1)
session.branch(2, {{"optimizer.momentum": 0.9}}, steps=6)
print(frame_sha256(session.frame("flow")))
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    here = [frame_sha256(session.frame(kind)) for kind in kinds]
    with pytest.raises(UserError, match="branch at step 0"):
        session.frame("flow")  # the branch drops an example on its way
    session.remove(1)
    session.branch(2, {"optimizer.momentum": 0.9}, steps=6)
    assert done.stdout.split() == [*here, frame_sha256(session.frame("flow"))]
    assert session.code("flow").splitlines()[-1] == 'frame = session.frame("flow")'


def test_a_named_session_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = Session("sinusoid-maml", name="mine", count=2)
    assert not first.restored
    everything(first)
    again = Session("sinusoid-maml", name="mine", count=2)
    assert again.restored
    assert again.state == first.state
    assert again.cursor == first.cursor
    assert same(again.tape, first.tape)
    other = Session("sinusoid-maml", name="mine", count=3)  # the cell was changed: it begins anew
    assert len(other.lanes) == 1
    (tmp_path / ".workbench" / "sessions" / "mine.json").write_text("{damaged")
    assert not Session("sinusoid-maml", name="mine", count=3).restored


def test_a_state_is_plain_data(session):
    everything(session)
    record = json.loads(json.dumps(session.state.to_record()))
    assert State.from_record(record) == session.state


def test_without_a_learner_there_are_only_examples():
    session = Session(tasks="digits", ways=2, queries=3)
    assert session.frame("examples")["label"].nunique() == 2
    with pytest.raises(UserError, match="no learner"):
        session.frame("steps")


def test_a_saved_tape_is_shown_and_says_what_it_cannot(session, tmp_path):
    path = session.tape.save(tmp_path / "one.metatrace", kinds=["steps", "curves"])
    shown = Session(path)
    assert shown.frame("curves").equals(session.frame("curves"))
    with pytest.raises(UserError, match="saved tape"):
        shown.vary(inner_rate=0.5)
    with pytest.raises(UserError, match="saved tape"):
        shown.branch(1)


def test_learners_of_your_own(session):
    from workbench.algorithms import MAML
    from workbench.models import MLP

    torch.manual_seed(0)
    mine = Session(MAML(MLP(1, 1)), tasks="sinusoid", count=1)
    assert mine.source.note == "your own learner"
    assert "maml is the MAML that was given" in mine.code()
    with pytest.raises(UserError, match="cannot show a int"):
        Session(3)
    with pytest.raises(UserError, match="part of a file's"):
        Session("sinusoid-maml", name="../other")


def test_a_learner_of_your_own_needs_tasks_of_its_kind():
    from workbench.algorithms import MAML
    from workbench.models import MLP, Conv4

    for model in (MLP(1, 1), Conv4((1, 28, 28), 5)):  # waves would do for the first, by chance
        with pytest.raises(UserError, match="MAML was given without tasks: name those"):
            Session(MAML(model))
    with pytest.raises(UserError, match="a tuple is no tasks: .* by tasks_from"):
        Session(MAML(MLP(1, 1)), tasks=(1, 2))


def test_tasks_of_your_own_data(tmp_path, monkeypatch):
    from workbench.algorithms import MAML
    from workbench.models import MLP
    from workbench.tasks import tasks_from

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    learner, x = MAML(MLP(3, 2)), torch.randn(120, 3)
    tasks = tasks_from(x, torch.arange(120) % 12)
    mine = Session(learner, tasks=tasks, name="mine", count=2, shots=2, queries=3)
    assert (mine.tasks, mine.episode.ways, mine.state.sampling.shots) == (tasks, 2, 2)
    mine.edit("swap", task=0, part="support", example=0)
    variable = f"own_{tasks.scheme}"
    code = mine.code("steps")
    assert f"# {variable} are the tasks that were given to it" in code
    found = {"maml": learner, variable: tasks}
    exec(code, found)
    assert found["frame"].equals(mine.frame("steps"))
    again = Session(learner, tasks=tasks, name="mine", count=2, shots=2, queries=3)
    assert again.restored
    assert again.state == mine.state


def test_slots_are_emptied_and_filled_on_a_branch(tmp_path):
    session = Session("digits-protonet", count=2)
    before = session.frame("predictions")
    lane = session.rewrite(1)
    assert lane == session.cursor.lane == 1
    at_the_end = session.frame("predictions").query("step == 1")
    assert set(at_the_end["prediction"]) == {0}  # the second class has no prototype left
    assert session.frame("predictions", lane=0).equals(before)
    session.rewrite(1, source=0)  # the same branch goes on being changed
    assert len(session.lanes) == 2
    shared = session.frame("predictions").query("step == 1")
    assert shared["confidence"].tolist() == pytest.approx([0.5] * len(shared))
    assert "session.rewrite(slot=1, step=1)" in session.code()
    found: dict = {}
    exec(session.code("predictions"), found)
    assert found["frame"].equals(session.frame("predictions"))
    with pytest.raises(UserError, match="slot 9"):
        session.rewrite(9)
    with pytest.raises(UserError, match="no memory with slots"):
        Session("sinusoid-maml", count=1).rewrite(0)


def test_edits_from_several_threads_are_all_kept(session):
    def move(example: int) -> None:
        session.edit("move", task=0, part="support", example=example, y=float(example))

    threads = [threading.Thread(target=move, args=(example,)) for example in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.episode.support.y[0, :, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(session.lanes[0].edits) == 5


def test_test_steps_are_in_force_on_a_branch_and_after_more_steps(session):
    session.branch(3, test_steps=25)
    assert session.tape.steps == 25
    session.vary(test_steps=7)
    assert session.tape.steps == 7
    with pytest.raises(UserError, match="branch 1 leaves at step 3 and was to have 2 inner steps"):
        session.vary(test_steps=2)
    assert session.tape.steps == 7
    session.move(lane=0)
    session.extend(3)
    assert session.tape.steps == 13
    session.vary(test_steps=8)
    assert session.tape.steps == 8


def test_a_form_is_reset_to_how_the_session_began_and_shows_what_is_in_force():
    session = Session("sinusoid-maml", shots=7, count=2, queries=5)
    session.sample(shots=3)

    def field(form: str, name: str) -> dict[str, object]:
        return next(f for f in Showing(session).about()["forms"][form] if f["name"] == name)

    assert (field("sampling", "shots")["value"], field("sampling", "shots")["default"]) == (3, 7)
    session.extend(2)
    steps = field("settings", "test_steps")
    assert (steps["value"], steps["default"]) == (session.tape.steps, 10) == (12, 10)


def test_sampling_that_changes_nothing_has_no_control():
    def names(session: Session) -> set[str]:
        return {field["name"] for field in Showing(session).about()["forms"]["sampling"]}

    assert "ways" not in names(Session("sinusoid-maml", count=1, queries=2))
    assert "queries" not in names(Session("bandit-rl2", count=1, shots=2))
    assert {"ways", "queries"} <= names(Session("glyphs-protonet", count=1, queries=1))


def test_a_lane_has_one_name_everywhere(session):
    session.branch(2, {"optimizer.momentum": 0.9}, inner_rate=0.05)
    session.edit("drop", task=0, part="support", example=0)
    name = "sinusoid-maml, branch 1: optimizer momentum 0.9, inner rate 0.05, 1 edit"
    about = Showing(session).about()
    assert [lane["name"] for lane in about["lanes"]] == ["sinusoid-maml", name]
    assert about["title"] == about["learner"] == about["learners"][0]["name"] == "sinusoid-maml"
    session.choose("sinusoid-finetune")
    names = [lane["name"] for lane in Showing(session).about()["lanes"]]
    assert names == ["sinusoid-maml", name, "sinusoid-finetune"]
    tape = Session("sinusoid-maml", count=1, queries=5).tape
    assert Session(tape).lanes[0].learner == tape.learner_name == "MAML"


def test_the_copied_code_draws_what_is_seen(session):
    session.move(task=1, step=2)
    *lines, last = session.code().splitlines()
    assert last == 'session.draw("curves")'
    assert lines[-1] == "session.move(task=1, step=2)"
    assert any("count" in line and line.startswith("#") for line in lines)  # tasks from 0 there
    space: dict[str, object] = {}
    exec("\n".join([*lines, f"plot = {last}"]), space)
    assert space["plot"].alt_text == session.draw().alt_text  # type: ignore[attr-defined]
    assert "after 2 inner steps" in session.draw().alt_text
    words = {Session("glyphs-protonet", count=1, queries=1): "images", Session(): "examples"}
    words[Session("bandit-rl2", count=1, shots=3)] = "pulls"
    for other, kind in words.items():
        assert other.code().splitlines()[-1] == f'session.draw("{kind}")'


def test_images_are_judged_at_the_step_that_is_looked_at():
    session = Session("glyphs-protonet", count=1, ways=3, queries=2)
    last = session.tape.steps
    first = session.frame("images")["confidence"].dropna()
    assert session.cursor.step == 0
    assert first.round(4).nunique() == 1  # nothing read yet
    session.move(step=last)
    assert session.frame("images")["confidence"].dropna().nunique() > 1


def test_a_long_recording_goes_on_in_parts_and_is_stopped(session, monkeypatch):
    now = [0.0]  # every look at the clock takes a tenth of a second: ten steps in a second
    monkeypatch.setattr(
        "workbench.session.recording.time.monotonic", lambda: now.append(now[-1] + 0.1) or now[-1]
    )
    told: list[str] = []
    session.watch(told.append)
    whole = Session("sinusoid-maml", seed=3, count=2, queries=5)
    whole.vary(test_steps=60)
    with session.patient(1.0):
        session.vary(test_steps=60)
        begun = session.recording
        assert begun is not None
        assert 0 < begun.done == session.tape.steps < begun.total == session.steps_of(0) == 60
        session.branch(2, inner_rate=0.02)  # what is there can be used meanwhile
        assert session.steps_of(1) == 60
        while session.recording is not None:
            session.go_on()
    assert same(session.tape_of(0), whole.tape)
    assert session.tape_of(1).steps == 60
    assert {"recording", "state"} <= set(told)
    with session.patient(1.0):
        session.vary(test_steps=90)
        done = session.tape.steps
        session.stop()
    assert session.recording is None
    assert 2 < done == session.tape.steps == session.lanes[1].steps < 90
    assert f"{done} inner steps" in session.state.name_of(1)
    assert session.frame("steps")["step"].max() == done
    again: dict[str, object] = {}
    exec(session.lines(), again)
    assert same(again["session"].tape, session.tape)  # type: ignore[attr-defined]


def test_who_looks_at_an_outcome_looks_at_the_other_learners():
    session = Session("glyphs-protonet", "glyphs-metanet", count=1, queries=2)
    session.move(step=1)
    session.choose("glyphs-metanet")
    assert session.cursor.step == session.tape.steps == 2  # where its memory is written
    session.move(step=1)
    session.choose("glyphs-protonet")
    session.move(step=0)
    session.choose("glyphs-metanet")
    assert session.cursor.step == 0
