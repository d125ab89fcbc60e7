"""The workbench in JupyterLab's server: who may ask, what can be meant, and runs of every sort."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest

from workbench import UserError
from workbench.server import acting
from workbench.server.experiment import Presets, looking_at, notebook_of
from workbench.server.handlers import asked_of
from workbench.server.looking import Lookout
from workbench.server.places import names_of, opened

CONFIG: dict[str, Any] = {
    "tasks": "sinusoid:maml",
    "learner": {"type": "MAMLSettings", "inner_rate": 0.01},
    "training": {"iterations": 1000},
    "seed": 0,
}


def make_run(root: Path, place: str, rows: int = 3, **changed: Any) -> Path:
    """A run directory as a training leaves it, that needed none."""
    run = root / place
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({**CONFIG, **changed}))
    (run / "status.json").write_text(json.dumps({"state": "paused", "iteration": 100 * rows}))
    (run / "lock").touch()
    lines = [
        {
            "iteration": 100 * k,
            "split": "validation",
            "mse": 1 / k,
            "seconds": k / 2.0,
            "best": True,
        }
        for k in range(1, rows + 1)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def listed(root: Path, **asked: Any) -> list[dict[str, Any]]:
    return [dict(run) for run in Lookout(root).page(asked)["runs"]]


# ---- what can be meant ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["..", "runs/..", "/etc", "runs//a", "runs/./a", "a/../../b", "runs/a\0b", "runs/a/"]
)
def test_a_place_never_leads_out(place: str, tmp_path: Path):
    with pytest.raises(UserError, match="no place below"):
        names_of(place)
    for act in (acting.stop, acting.resume, acting.delete):
        with pytest.raises(UserError):
            act(tmp_path, place)


def test_links_are_not_followed(tmp_path: Path):
    outside = make_run(tmp_path / "outside", "secret")
    root = tmp_path / "root"
    make_run(root, "runs/mine")
    (root / "runs" / "link").symlink_to(outside)
    (root / "linked").symlink_to(tmp_path / "outside")
    assert [run["place"] for run in listed(root)] == ["runs/mine"]
    for place in ("runs/link", "linked/secret"):
        with pytest.raises(UserError, match="links are not followed"), opened(root, place):
            pass
        for act in (acting.stop, acting.resume, acting.delete):
            with pytest.raises(UserError):
                act(root, place)
    assert (outside / "config.json").exists()
    assert not (outside / "stop").exists()


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "status.json", "note.txt"])
def test_a_file_that_is_a_link_is_none(name: str, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"tasks": "told", "state": "finished", "iteration": 5}) + "\n")
    run = make_run(tmp_path / "root", "mine")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(secret)
    (seen,) = listed(tmp_path / "root")
    assert "told" not in json.dumps(seen)
    assert seen["state"] != "finished"


def test_a_stop_file_that_is_a_link_is_not_written_through(tmp_path: Path):
    run = make_run(tmp_path / "root", "mine")
    (run / "stop").symlink_to(tmp_path / "made")
    with (run / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="cannot be written"):
            acting.stop(tmp_path / "root", "mine")
    assert not (tmp_path / "made").exists()


def test_checkpoints_that_are_a_link_say_nothing_of_elsewhere(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "best.safetensors").touch()
    run = make_run(tmp_path / "root", "mine")
    (run / "checkpoints").rmdir()
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert all(not seen["opens"] for seen in listed(tmp_path / "root"))


def test_a_folder_that_turns_into_a_link_meanwhile_stays_what_it_was(tmp_path: Path):
    make_run(tmp_path / "outside", "mine")
    inside = make_run(tmp_path / "root", "runs/mine")
    with opened(tmp_path / "root", "runs") as runs:
        inside.parent.rename(tmp_path / "root" / "moved")
        inside.parent.symlink_to(tmp_path / "outside")
        assert os.stat("mine", dir_fd=runs).st_ino == (tmp_path / "root/moved/mine").stat().st_ino


# ---- runs of every sort --------------------------------------------------------------------------


def test_what_is_said_of_a_run(tmp_path: Path):
    run = make_run(tmp_path, "runs/mine", rows=10)
    (run / "note.txt").write_text("the good one\n")
    (run / "checkpoints" / "best.safetensors").touch()
    (seen,) = listed(tmp_path)
    assert (seen["place"], seen["name"], seen["method"]) == ("runs/mine", "mine", "MAML")
    assert (seen["state"], seen["iteration"], seen["iterations"]) == ("paused", 1000, 1000)
    assert seen["last"]["value"] == 0.1
    assert seen["recent"][:2] == [1.0, 0.5]
    assert seen["rate"] == 200.0
    assert (seen["note"], seen["opens"], seen["resumes"]) == ("the good one", True, True)
    assert seen["command"] == "workbench train --run runs/mine --resume"


def test_a_run_that_trains_is_told_by_its_lock(tmp_path: Path):
    run = make_run(tmp_path, "mine")
    with (run / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("77")
        lock.flush()
        (seen,) = listed(tmp_path)
        assert (seen["state"], seen["left"]) == ("running", 3.5)
        assert not seen["stopping"]
        acting.stop(tmp_path, "mine")
        assert listed(tmp_path)[0]["stopping"]
        for act in (acting.delete, acting.resume):
            with pytest.raises(UserError, match="training|running"):
                act(tmp_path, "mine")
    with pytest.raises(UserError, match="nothing to stop"):
        acting.stop(tmp_path, "mine")


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("config.json", b"{", "broken"),
        ("config.json", b"[" * 100_000, "broken"),
        ("config.json", b"3", "broken"),
        ("config.json", b'{"training": 3, "learner": [], "seed": "x", "tasks": {}}', "paused"),
        ("config.json", b" " * 2_000_000, "broken"),
        ("status.json", b"\xff", "killed"),
        ("status.json", b'{"state": "unheard of"}', "killed"),
        ("status.json", b'{"state": "paused", "iteration": {}}', "paused"),
        ("metrics.jsonl", b"not\n{}\n[]\n\xff\xfe\n", "paused"),
        ("metrics.jsonl", b'{"iteration": 1, "mse": NaN}\n{"iteration": 1e999}\n', "paused"),
        ("note.txt", b"\xff\xff", "paused"),
    ],
)
def test_a_broken_run_is_told_and_does_not_hide_the_others(
    name: str, content: bytes, state: str, tmp_path: Path
):
    (make_run(tmp_path, "bad") / name).write_bytes(content)
    make_run(tmp_path, "good")
    seen = {run["name"]: run for run in listed(tmp_path)}
    assert seen["bad"]["state"] == state
    assert seen["good"]["state"] == "paused"
    json.dumps(seen, allow_nan=False)


def test_a_pipe_in_a_file_s_place_keeps_nobody_waiting(tmp_path: Path):
    run = make_run(tmp_path, "mine")
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    assert listed(tmp_path)[0]["recent"] == []


def test_of_huge_metrics_the_end_alone_is_read(tmp_path: Path):
    run = make_run(tmp_path, "mine")
    line = json.dumps({"iteration": 5, "split": "train", "loss": 0.5}) + "\n"
    with (run / "metrics.jsonl").open("w") as file:
        file.write(line * 2_000_000)  # 100 MB
        file.write(json.dumps({"iteration": 900, "split": "validation", "mse": 0.25}) + "\n")
    begun = time.process_time()
    (seen,) = listed(tmp_path)
    assert time.process_time() - begun < 0.5
    assert (seen["iteration"], seen["last"]["value"]) == (900, 0.25)


def test_a_run_that_is_written_while_it_is_read(tmp_path: Path):
    """Half a line is none, and no answer is worse than the one before."""
    run = make_run(tmp_path, "mine", rows=1)
    ended = threading.Event()

    def write() -> None:
        with (run / "metrics.jsonl").open("ab", buffering=0) as file:
            for k in range(2, 400):
                text = json.dumps({"iteration": 100 * k, "split": "validation", "mse": 1 / k})
                file.write(text[:7].encode())
                file.write(text[7:].encode() + b"\n")
        ended.set()

    lookout, before = Lookout(tmp_path), 0
    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        (seen,) = lookout.page({})["runs"]
        assert seen["iteration"] >= before
        before = seen["iteration"]
    writer.join()
    assert lookout.page({})["runs"][0]["iteration"] == 39900


def test_a_run_that_goes_away_while_it_is_read_is_none(tmp_path: Path, monkeypatch):
    make_run(tmp_path, "mine")
    lookout = Lookout(tmp_path)
    assert lookout.page({})["total"] == 1
    monkeypatch.setattr(lookout, "_places", lambda: (["mine", "gone"], [], ""))
    assert [run["place"] for run in lookout.page({})["runs"]] == ["mine"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    for k in range(2000):
        make_run(root, f"sweep-{k % 20}/run-{k:04}", rows=2, seed=k % 5, tasks=f"family-{k % 40}")
    return root


def test_two_thousand_runs_come_in_pages(many: Path):
    lookout = Lookout(many)
    page = lookout.page({"sort": "name"})
    assert (page["total"], len(page["runs"]), page["alive"]) == (2000, 100, 0)
    begun = time.process_time()
    last = lookout.page({"sort": "name", "first": "1950", "count": "100"})
    assert time.process_time() - begun < 1.5  # nothing is read again
    assert (last["first"], len(last["runs"])) == (1950, 50)
    assert len(json.dumps(page)) < 200_000
    found = lookout.page({"text": "family-7 sweep-7", "count": "10"})
    assert (found["total"], len(found["runs"])) == (50, 10)
    grouped = lookout.page({"group": "seeds", "sort": "name"})["runs"]
    headings = [(run["heading"], run["seeds"]) for run in grouped if run["heading"]]
    assert headings[0] == ("MAML · family-0", 1)  # fifty runs of one seed
    folders = lookout.page({"group": "folder", "sort": "name"})["runs"]
    assert [run["heading"] for run in folders if run["heading"]] == ["sweep-0"]
    assert lookout.page({"state": "running"})["total"] == 0


@pytest.mark.parametrize("asked", [{"sort": "luck"}, {"group": "luck"}, {"first": "x"}])
def test_a_question_that_means_nothing_is_refused(asked: dict[str, str], tmp_path: Path):
    with pytest.raises(UserError):
        Lookout(tmp_path).page(asked)


def test_the_best_value_comes_first_whichever_way_is_better(tmp_path: Path):
    for name, value in {"a": 0.2, "b": 0.9, "c": 0.5}.items():
        run = make_run(tmp_path, name)
        row = {"iteration": 1, "split": "validation", "accuracy": value}
        (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (make_run(tmp_path, "d") / "metrics.jsonl").unlink()
    assert [run["name"] for run in listed(tmp_path, sort="value")] == ["b", "c", "a", "d"]


# ---- what is done to them ------------------------------------------------------------------------


def test_delete_can_be_undone(tmp_path: Path):
    make_run(tmp_path, "runs/mine")
    first = acting.delete(tmp_path, "runs/mine")
    assert first["undo"] == "runs/.trash/mine"
    make_run(tmp_path, "runs/mine")
    assert acting.delete(tmp_path, "runs/mine")["undo"] == "runs/.trash/mine-2"
    page = Lookout(tmp_path).page({})
    assert (page["total"], page["trash"]) == (0, ["runs/.trash/mine", "runs/.trash/mine-2"])
    assert acting.restore(tmp_path, first["undo"])["place"] == "runs/mine"
    assert [run["place"] for run in listed(tmp_path)] == ["runs/mine"]
    make_run(tmp_path, "runs/mine-2")
    with pytest.raises(UserError, match="another 'mine-2'"):
        acting.restore(tmp_path, "runs/.trash/mine-2")


def test_only_runs_are_moved(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    for act in (acting.delete, acting.restore):
        with pytest.raises(UserError):
            act(tmp_path, "notebooks")
    with pytest.raises(UserError):
        acting.delete(tmp_path, "")
    with pytest.raises(UserError, match="no run that can be deleted"):
        acting.delete(tmp_path, ".trash/mine")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"preset": "--help"},
        {"preset": "a; rm"},
        {"preset": "a", "seed": "1"},
        {"preset": "a", "threads": 0},
        {"preset": "a", "device": "$(x)"},
        {"preset": "a", "seed": True},
    ],
)
def test_what_an_experiment_cannot_be_made_with(body: Any):
    with pytest.raises(UserError):
        asked_of(body)


def test_a_notebook_is_asked_for_by_known_styles_and_places():
    with pytest.raises(UserError, match="no style"):
        notebook_of({**asked_of({"preset": "a"}), "style": "baroque"}, 10)
    for places in ([], ["../a"], [3], [""]):
        with pytest.raises(UserError):
            looking_at(places)  # type: ignore[arg-type]
    source = "".join(looking_at(['a"]); import os; (["'])["cells"][0]["source"])
    assert source.endswith('Stage("a\\"]); import os; ([\\"")')


# ---- the server ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A Jupyter server with our part, its address, and the folder that it serves."""
    root, home = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("home")
    make_run(root, "runs/mine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **{f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")},
    }
    options = [
        f"--port={port}",
        "--ip=127.0.0.1",
        "--allow-root",
        "--IdentityProvider.token=known",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.jpserver_extensions=workbench.server=True",
        "--ServerApp.open_browser=False",
    ]
    log = (home / "log.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", *options],
        cwd=root,
        env=env,
        stdout=log,
        stderr=log,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urlopen(f"{address}/api", timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert process.poll() is None, (home / "log.txt").read_text()
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.2)
        yield address, root
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def ask(
    url: str, body: Any = None, method: str | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """The status of an answer, and what it says."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, headers, method=method)
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}


TOKEN = {"Authorization": "token known"}
READ = ["runs", "presets", "notebooks", "run?place=runs/mine", "receipt?place=runs/mine"]
CHANGE = ["runs/stop", "runs/resume", "runs/delete", "runs/restore", "runs/start", "notebook"]


def test_nobody_unknown_reads_or_changes_anything(served: tuple[str, Path]):
    address, _ = served
    for path in READ:
        assert ask(f"{address}/workbench/{path}")[0] == 403
        assert ask(f"{address}/workbench/{path}", Authorization="token guessed")[0] == 403
    for path in CHANGE:
        assert ask(f"{address}/workbench/{path}", {"place": "runs/mine"})[0] == 403


def test_nothing_changes_by_get(served: tuple[str, Path]):
    address, root = served
    for path in CHANGE:
        assert ask(f"{address}/workbench/{path}?place=runs/mine", **TOKEN)[0] == 405
    assert (root / "runs" / "mine").is_dir()


def test_a_cookie_alone_changes_nothing_without_its_xsrf_token(served: tuple[str, Path]):
    """As a foreign page could send it along."""
    address, root = served
    jar = CookieJar()
    build_opener(HTTPCookieProcessor(jar)).open(f"{address}/login?token=known", timeout=30).close()
    cookies = "; ".join(f"{one.name}={one.value}" for one in jar)
    known = {"Cookie": cookies}
    assert ask(f"{address}/workbench/runs", **known)[0] == 200  # it opens what only reads
    status, _ = ask(f"{address}/workbench/runs/delete", {"place": "runs/mine"}, **known)
    assert status == 403
    assert (root / "runs" / "mine").is_dir()


def test_runs_are_listed_deleted_and_restored(served: tuple[str, Path]):
    address, _ = served
    status, page = ask(f"{address}/workbench/runs?sort=name", **TOKEN)
    assert (status, [run["place"] for run in page["runs"]]) == (200, ["runs/mine"])
    status, done = ask(f"{address}/workbench/runs/delete", {"place": "runs/mine"}, **TOKEN)
    assert (status, done["undo"]) == (200, "runs/.trash/mine")
    assert ask(f"{address}/workbench/runs", **TOKEN)[1]["total"] == 0
    assert ask(f"{address}/workbench/runs/restore", {"place": done["undo"]}, **TOKEN)[0] == 200
    assert ask(f"{address}/workbench/runs", **TOKEN)[1]["total"] == 1
    status, found = ask(f"{address}/workbench/run?place=runs/mine", **TOKEN)
    assert (status, found["run"]["name"], list(found["frames"])) == (200, "mine", ["run"])
    for path in ("run", "run?place=../mine", "receipt?place=../mine.png"):
        assert ask(f"{address}/workbench/{path}", **TOKEN)[0] == 400


@pytest.mark.parametrize("body", [{"place": "../mine"}, {"place": 3}, {}, [], "text"])
def test_what_means_nothing_is_said_in_a_sentence(served: tuple[str, Path], body: Any):
    status, said = ask(f"{served[0]}/workbench/runs/delete", body, **TOKEN)
    assert status == 400
    assert said["message"]


def test_a_shipped_notebook_is_copied_once(served: tuple[str, Path]):
    address, root = served
    known = ask_list(f"{address}/workbench/notebooks")
    assert {"name": "02-maml.ipynb", "title": "MAML, step by step"} in known
    body = {"name": "02-maml.ipynb"}
    assert ask(f"{address}/workbench/notebooks", body, **TOKEN)[1]["place"].endswith(body["name"])
    copy = root / "notebooks" / "02-maml.ipynb"
    copy.write_text("mine")
    assert ask(f"{address}/workbench/notebooks", body, **TOKEN)[0] == 200
    assert copy.read_text() == "mine"
    assert ask(f"{address}/workbench/notebooks", {"name": "../x"}, **TOKEN)[0] == 400


def ask_list(url: str) -> list[dict[str, Any]]:
    with urlopen(Request(url, headers=TOKEN), timeout=60) as answer:
        return json.loads(answer.read())


def test_the_server_loads_no_torch():
    code = "import sys, workbench.server.handlers; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_training_starts_stops_and_goes_on(served: tuple[str, Path]):
    """By the addresses alone, in processes that the server does not wait for."""
    address, root = served
    asked = {"preset": "sinusoid-maml", "seed": 3, "threads": 2}
    status, done = ask(f"{address}/workbench/runs/start", asked, **TOKEN)
    assert (status, done.get("place")) == (200, "runs/sinusoid-maml"), done
    place = {"place": "runs/sinusoid-maml"}
    config = json.loads((root / "runs/sinusoid-maml/config.json").read_text())
    assert (config["seed"], config["training"]["threads"]) == (3, 1)
    process = Path("/proc", (root / "runs/sinusoid-maml/lock").read_text().strip())
    assert b"OMP_NUM_THREADS=2" in (process / "environ").read_bytes().split(b"\0")

    def state() -> str:
        runs = ask(f"{address}/workbench/runs", **TOKEN)[1]["runs"]
        return next(run["state"] for run in runs if run["place"] == place["place"])

    def stopped() -> str:
        assert ask(f"{address}/workbench/runs/stop", place, **TOKEN)[0] == 200
        until = time.monotonic() + 60
        while (now := state()) == "running" and time.monotonic() < until:
            time.sleep(0.2)
        return now

    assert state() == "running"
    assert stopped() in ("interrupted", "paused")
    assert ask(f"{address}/workbench/runs/resume", place, **TOKEN)[0] == 200
    assert state() == "running"
    assert stopped() in ("interrupted", "paused")
    status, said = ask(f"{address}/workbench/runs/start", {"preset": "unheard"}, **TOKEN)
    assert (status, "no preset 'unheard'" in said["message"]) == (400, True)


@pytest.mark.parametrize("preset", ["sinusoid-maml", "bandit-rl2"])
def test_a_new_experiment_runs_as_it_stands(preset: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = asked_of({"preset": preset, "seed": 3, "style": "slide", "budget": 64})
    known: dict[str, Any] = {}
    for cell in notebook_of(asked, iterations=3)["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), known)
    assert (known["experiment"].seed, known["style"].width.name) == (3, "SLIDE")
    assert known["session"].budget == 64 * 2**20
    assert known["outcome"].iteration == 3


def test_a_new_experiment_does_not_wait_long_for_validations():
    """Each of them takes seconds on images, and presets have them dozens of times."""
    made = notebook_of(asked_of({"preset": "glyphs-maml"}), iterations=60_000)
    code = "".join("".join(cell["source"]) for cell in made["cells"])
    assert ".stretched(100)" in code
    assert "validate_every=25)" in code


def test_presets_are_those_that_there_are(tmp_path: Path):
    presets = Presets(tmp_path)
    names = [one["name"] for one in presets.choices()]
    assert "sinusoid-maml" in names
    assert "bandit-random" not in names  # there is nothing to train of it
    with pytest.raises(UserError, match="no preset"):
        presets.iterations("unheard")
