"""The extension in JupyterLab, out of the wheel alone and without Node: launcher, runs, traces."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request

from tests.browser.panels import until, violations
from tools.browser import ROOT, Notebook, Server, jupyterlab, lab_page, wheel
from workbench.figures import Receipt, draw, save
from workbench.inspection import metrics_frame
from workbench.session.session import Session

COMMAND = "([name, args]) => { void jupyterapp.commands.execute(name, args); }"
OPEN = "async (path) => { await jupyterapp.commands.execute('docmanager:open', {path}); }"
# Closing a notebook that its kernel has changed would ask whether to save it.
CLOSE_ALL = "() => { for (const one of [...jupyterapp.shell.widgets('main')]) one.dispose(); }"

CONFIG = {
    "tasks": "sinusoid:maml",
    "learner": {"type": "MAMLSettings"},
    "training": {"iterations": 1000},
    "seed": 0,
}


def make_run(folder: Path, name: str, rows: int = 3, seed: int = 0) -> Path:
    """A run directory that no training made."""
    run = folder / name
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({**CONFIG, "seed": seed}))
    (run / "status.json").write_text(json.dumps({"state": "paused", "iteration": 100 * rows}))
    (run / "lock").touch()
    with (run / "metrics.jsonl").open("w") as file:
        for k in range(1, rows + 1):
            row = {"iteration": 100 * k, "split": "validation", "mse": 1 / k, "seconds": k / 2}
            file.write(json.dumps(row) + "\n")
    return run


def add_language_pack(site: Path) -> None:
    """What JupyterLab asks for before it speaks Chinese: a pack of that, here an empty one."""
    (site / "pack.py").touch()
    about = site / "pack-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[jupyterlab.languagepack]\nzh_CN = pack\n")


@pytest.fixture(scope="module")
def lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab with the wheel's files; `server` skips where there is no Chromium."""
    folder = tmp_path_factory.mktemp("served")
    for k in range(300):
        make_run(folder / "runs", f"run-{k:04}", seed=k % 5)
    traces = Session("sinusoid-maml", count=2, queries=5).tape.save(folder / "one.metatrace")
    Session("sinusoid-finetune", count=2, queries=5).tape.save(folder / "two.metatrace")
    (folder / "cut.metatrace").write_bytes(traces.read_bytes()[:50_000])
    with (folder / "huge.metatrace").open("wb") as file:
        file.truncate(500 * 2**20)
    frame = metrics_frame(folder / "runs" / "run-0003")
    receipt = Receipt.of(frame, code='metrics_frame("runs/run-0003")', seed=3, configuration=CONFIG)
    save(draw("training", frame), folder / "figures" / "one.png", receipt)
    site = wheel(tmp_path_factory.mktemp("wheel"))
    add_language_pack(site)
    with jupyterlab(folder, site) as running:
        yield running


@pytest.fixture(scope="module")
def page(lab: Server) -> Iterator[Page]:
    """Its page; at the end nothing left the machine and the console has no error."""
    with lab_page(lab) as (found, watched):
        yield found
    assert not watched.left, f"the page asked for {watched.left}"
    assert not watched.errors, f"on the console: {watched.errors}"


def reload(page: Page) -> None:
    """JupyterLab anew, as its settings have it."""
    page.reload()
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate("async () => { await jupyterapp.restored; }")


def do(page: Page, command: str, **args: object) -> None:
    """Execute a command and wait for nothing."""
    page.evaluate(COMMAND, [command, args])


# ---- launcher and new experiments ----------------------------------------------------------------


def test_the_launcher_has_a_section_with_every_notebook(page: Page, lab: Server):
    do(page, "launcher:create")
    section = page.locator(".jp-Launcher-section").filter(has_text="Meta-learning").first
    section.get_by_text("New experiment").wait_for()
    card = section.get_by_text("MAML, step by step")
    card.wait_for()
    (lab.folder / "notebooks" / "02-maml.ipynb").unlink()  # it comes back when it is asked for
    card.click()
    page.locator(".jp-NotebookPanel").wait_for()
    until(lambda: (lab.folder / "notebooks" / "02-maml.ipynb").is_file(), "the notebook")
    assert section.locator(".jp-LauncherCard").count() == 1 + len(
        list((ROOT / "notebooks").glob("*.ipynb"))
    )


def test_a_new_experiment_is_made_with_the_settings(page: Page, lab: Server):
    settings = "metalearning-workbench:experiments"
    page.evaluate(
        "([id, seed]) => jupyterapp.serviceManager.settings.save(id, JSON.stringify(seed))",
        [settings, {"seed": 7, "budget": 64, "style": "slide"}],
    )
    reload(page)
    do(page, "metalearning-workbench:new-experiment", cwd="")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Tasks").wait_for(timeout=120_000)
    assert violations(page.locator(".jp-Dialog .wb-choice")) == []
    dialog.get_by_label("Tasks").select_option("sinusoid:maml")
    dialog.get_by_label("Method").select_option("sinusoid-fomaml")
    dialog.get_by_role("button", name="Make the notebook").click()
    made = lab.folder / "sinusoid-fomaml.ipynb"
    page.locator(".lm-TabBar-tabLabel", has_text=made.name).wait_for()
    source = json.loads(made.read_text())["cells"]
    code = "".join("".join(cell["source"]) for cell in source)
    assert 'preset("sinusoid-fomaml"), seed=7, device="cpu"' in code
    assert "Style(ColumnWidth.SLIDE)" in code
    assert "budget=64 * 2**20" in code
    page.evaluate(CLOSE_ALL)


# ---- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def runs(page: Page) -> Iterator[Locator]:
    do(page, "metalearning-workbench:show-runs")
    bar = page.get_by_role("region", name="Runs of the workbench")
    bar.locator("[data-place]").first.wait_for()
    yield bar
    do(page, "metalearning-workbench:show-runs")  # a test may have put it away
    bar.get_by_label("Find runs").fill("")
    page.evaluate("() => jupyterapp.shell.collapseLeft()")


def named(bar: Locator, name: str) -> Locator:
    return bar.locator(f'[data-place="runs/{name}"]')


CUT = """(bar) => [...bar.querySelectorAll('select, button, strong, span')]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 ||
    one.getBoundingClientRect().right > bar.getBoundingClientRect().right)
  .map((one) => one.textContent)"""  # what does not stand in full


def test_many_runs_are_few_elements(page: Page, runs: Locator):
    until(lambda: "300 runs" in runs.inner_text(), "a count")
    assert runs.get_by_role("listitem").count() < 30
    assert violations(runs) == []
    assert runs.evaluate(CUT) == []  # as wide as the bar comes
    view = runs.locator(".wb-runs-view")
    view.evaluate("(one) => { one.scrollTop = one.scrollHeight / 2; }")
    until(lambda: runs.locator('[data-place][aria-posinset="150"]').count() == 1, "the middle")
    view.evaluate("(one) => { one.scrollTop = 0; }")
    runs.get_by_label("Find runs").fill("run-0234")
    named(runs, "run-0234").wait_for()
    until(lambda: runs.get_by_role("listitem").count() == 1, "one run")


def test_a_run_is_deleted_and_comes_back(page: Page, runs: Locator, lab: Server):
    runs.get_by_label("Find runs").fill("run-0007")
    until(lambda: runs.get_by_role("listitem").count() == 1, "one run")
    named(runs, "run-0007").get_by_role("button", name="Delete").click()
    runs.get_by_role("button", name="Undo").wait_for()
    assert not (lab.folder / "runs" / "run-0007").exists()
    runs.get_by_role("button", name="Undo").click()
    named(runs, "run-0007").wait_for()
    until((lab.folder / "runs" / "run-0007").is_dir, "the run")  # the row may be the old one


def test_a_run_that_trains_is_followed_and_stopped(page: Page, runs: Locator, lab: Server):
    """One question at a time, and none while nobody looks."""
    run = make_run(lab.folder / "runs", "alive", rows=2)
    asked: list[Request] = []
    under_way: list[int] = []

    def sent(request: Request) -> None:
        if "/workbench/runs?" in request.url:
            asked.append(request)
            under_way.append(len(asked) - done[0])

    done = [0]

    def ended(request: Request) -> None:
        done[0] += request in asked

    page.on("request", sent)
    page.on("requestfinished", ended)
    with (run / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs.get_by_label("Find runs").fill("alive")
        row = named(runs, "alive")
        row.get_by_text("running").wait_for()
        assert "200/1,000" in row.inner_text()
        with (run / "metrics.jsonl").open("a") as file:
            row_text = {"iteration": 600, "split": "validation", "mse": 0.1, "seconds": 3.0}
            file.write(json.dumps(row_text) + "\n")
        until(lambda: "600/1,000" in row.inner_text(), "what was added")
        row.get_by_role("button", name="Stop").click()
        row.get_by_text("stopping").wait_for()  # at once, before the server has answered
        until((run / "stop").exists, "the wish to stop")
        page.evaluate("() => jupyterapp.shell.collapseLeft()")
        page.wait_for_timeout(500)
        before = len(asked)
        page.wait_for_timeout(4500)  # more than two looks
        assert len(asked) == before
    assert max(under_way) == 1
    page.remove_listener("request", sent)
    page.remove_listener("requestfinished", ended)


# ---- traces --------------------------------------------------------------------------------------


@pytest.fixture
def opened(page: Page) -> Iterator[Callable[[str], Locator]]:
    def opening(name: str) -> Locator:
        page.evaluate(OPEN, name)
        return page.locator(".jp-Document:not(.lm-mod-hidden)").filter(
            has=page.locator(".wb-trace")
        )

    yield opening
    page.evaluate(CLOSE_ALL)


def test_a_trace_is_gone_through_by_keys_and_no_kernel_runs(
    page: Page, opened: Callable[[str], Locator]
):
    kernels = "() => [...jupyterapp.serviceManager.kernels.running()].length"
    before = page.evaluate(kernels)
    shown = opened("one.metatrace")
    panel = shown.locator("section.wb")
    panel.wait_for()
    panel.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(lambda: "step 2 of" in panel.locator(".wb-now-step").inner_text(), "the second step")
    for name in ("Layers", "Anatomy", "Landscape"):
        panel.get_by_role("tab", name=name).click()
        panel.get_by_role("tabpanel").locator("svg").first.wait_for()
    page.keyboard.press("Shift+ArrowRight")
    panel.get_by_role("button", name="2", exact=True).click()  # the other task
    until(lambda: "task 2 of 2" in panel.inner_text(), "the other task")
    assert violations(panel) == []
    assert page.evaluate(kernels) == before


def test_a_trace_is_kept_as_svg_png_and_csv(page: Page, opened: Callable[[str], Locator]):
    panel = opened("one.metatrace").locator("section.wb")
    panel.wait_for()
    panel.get_by_role("button", name="Export", exact=True).click()
    dialog = panel.get_by_role("dialog", name="Export")
    heads = {"svg": b"<svg", "png": b"\x89PNG", "csv": b"x,y"}
    for form, head in heads.items():
        dialog.locator(".wb-segments label", has_text=form).locator("input").check()
        until(lambda: dialog.get_by_label("file in downloads/").input_value().endswith(form), form)  # noqa: B023
        with page.expect_download() as download:
            dialog.get_by_role("button", name="Download").click()
        assert Path(download.value.path()).read_bytes().startswith(head)


def test_two_traces_stand_beside_each_other(page: Page, opened: Callable[[str], Locator]):
    shown = opened("one.metatrace")
    shown.get_by_label("Another adaptation beside it").select_option("two.metatrace")
    shown.get_by_role("region", name="two.metatrace").wait_for()
    shown.get_by_role("region", name="one.metatrace").wait_for()


@pytest.mark.parametrize(("name", "why"), [("cut", "damaged"), ("huge", "up to 256 MB")])
def test_a_file_that_cannot_be_shown_is_a_message(
    name: str, why: str, page: Page, opened: Callable[[str], Locator], lab: Server
):
    shown = opened(f"{name}.metatrace")
    shown.get_by_role("alert").get_by_text(why).wait_for()
    # JupyterLab would have all of it copied beside it.
    assert not [*(lab.folder / ".ipynb_checkpoints").glob("*.metatrace")]
    assert page.evaluate("() => 1 + 1") == 2


# ---- runs and figures as documents ---------------------------------------------------------------


@pytest.fixture
def documents(page: Page) -> Iterator[Callable[[str], Locator]]:
    """documents("a/path") opens that file in a document of its own, which is closed at the end."""
    before = page.evaluate("() => [...jupyterapp.shell.widgets('main')].map((one) => one.id)")

    def opening(path: str) -> Locator:
        page.evaluate(OPEN, path)
        return page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden)").last

    yield opening
    page.evaluate(
        """(before) => [...jupyterapp.shell.widgets('main')]
          .filter((one) => !before.includes(one.id)).forEach((one) => one.dispose())""",
        before,
    )


def test_a_run_is_a_document_with_its_curves(
    page: Page, lab: Server, documents: Callable[[str], Locator]
):
    files = sorted(path.name for path in (lab.folder / "runs/run-0002").iterdir())
    documents("runs/run-0002/metrics.jsonl")
    page.locator(".lm-TabBar-tabLabel", has_text="run-0002").wait_for()
    panel = page.locator('section.wb[data-view="train"]')
    panel.get_by_role("region", name="Runs").locator("figure svg").first.wait_for()
    assert "300 of 1,000" in panel.inner_text()
    assert violations(panel) == []
    panel.get_by_role("button", name="Export", exact=True).click()
    dialog = panel.get_by_role("dialog", name="Export")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes().startswith(b"<svg")
    # JupyterLab's own documents rename their file to what their tab is called.
    assert sorted(path.name for path in (lab.folder / "runs/run-0002").iterdir()) == files


def test_a_run_opens_from_the_file_browser(page: Page, documents: Callable[[str], Locator]):
    page.evaluate("() => jupyterapp.shell.activateById('filebrowser')")
    do(page, "filebrowser:open-path", path="runs")
    entry = page.locator(".lm-Menu-item", has_text="Open as run")
    page.locator('.jp-DirListing-item[data-isdir="true"]', has_text="run-0004").click(
        button="right"
    )
    entry.click()
    page.locator(".lm-TabBar-tabLabel", has_text="run-0004").wait_for()
    do(page, "filebrowser:open-path", path="runs/run-0004")
    folder = page.locator('.jp-DirListing-item[data-isdir="true"]', has_text="checkpoints")
    folder.click(button="right")
    entry.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("'runs/run-0004/checkpoints' is no run").wait_for()
    dialog.get_by_role("button").click()
    page.evaluate("() => jupyterapp.shell.collapseLeft()")


def test_a_figure_tells_its_receipt_and_the_way_to_its_run(
    page: Page, documents: Callable[[str], Locator]
):
    documents("figures/one.png")
    receipt = page.get_by_role("region", name="Receipt of the figure")
    receipt.get_by_text("figures/one.png").wait_for()  # it comes forward by itself
    assert violations(receipt) == []
    receipt.get_by_role("button", name="Copy code").click()
    said = 'metrics_frame("runs/run-0003")'
    until(lambda: page.evaluate("() => navigator.clipboard.readText()") == said, "the code")
    receipt.get_by_role("button", name="Open the run runs/run-0003").click()
    page.locator(".lm-TabBar-tabLabel", has_text="run-0003").wait_for()
    receipt.get_by_text("Open a figure").wait_for()  # of the document in front
    page.evaluate("() => jupyterapp.shell.collapseRight()")


# ---- another language ----------------------------------------------------------------------------


@pytest.fixture
def chinese(page: Page) -> Iterator[None]:
    """JupyterLab in Chinese, as its menu makes it."""
    name = "@jupyterlab/translation-extension:plugin"
    save = "([id, text]) => jupyterapp.serviceManager.settings.save(id, text)"
    page.evaluate(save, [name, json.dumps({"locale": "zh_CN"})])
    reload(page)
    yield
    page.evaluate(save, [name, "{}"])
    reload(page)


def test_launcher_side_bar_settings_and_panels_are_chinese(page: Page, chinese: None, lab: Server):
    do(page, "launcher:create")
    section = page.locator(".jp-Launcher-section").filter(has_text="元学习").first
    section.get_by_text("新建实验").wait_for()
    page.keyboard.press("Control+Alt+r")  # shortcuts stand in the settings that are translated
    bar = page.get_by_role("region", name="工作台的运行")
    until(lambda: re.search(r"30\d 个运行", bar.inner_text()), "a count")
    bar.get_by_role("button", name="删除").first.wait_for()
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    do(page, "settingeditor:open", query="元学习")
    page.get_by_text("记录的内存上限 (MB)").first.wait_for()
    page.evaluate(CLOSE_ALL)
    page.evaluate(OPEN, "cut.metatrace")  # what a worker found
    page.get_by_role("alert").get_by_text("请重新保存").wait_for()
    page.evaluate(CLOSE_ALL)
    (lab.folder / "notebooks").mkdir(exist_ok=True)
    shutil.copy(ROOT / "notebooks" / "00-start.ipynb", lab.folder / "notebooks")
    notebook = Notebook(page, "notebooks/00-start.ipynb")
    notebook.run_all()
    panel = notebook.panels().first  # of a bundle that JupyterLab hands nothing to
    panel.get_by_role("tab", name="损失地形").wait_for()
    until(lambda: "第 1 步，共" in panel.locator(".wb-now-step").inner_text(), "the first step")
    panel.get_by_role("button", name="在此分支").wait_for()
    assert violations(panel) == []
    notebook.close()
