"""What the extension costs JupyterLab: its start, the side bar of 2,000 runs, a trace of 20 MB.

    .venv/bin/python -m benchmarks.lab             in the environment of `make setup`

Starts with and without it take turns, and differ by hundreds of milliseconds among themselves: the
interval is of the mean difference. The server's part is counted in seconds of its processor, the
page's in milliseconds on the clock. Scrolling has no long task of its own: those that are found now
and then are the page's garbage collection.
"""

from __future__ import annotations

import fcntl
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tools.browser import chromium, jupyterlab, lab_page
from workbench.inspection import Tape
from workbench.measures import half_width
from workbench.server.looking import Lookout
from workbench.session.session import Session

RUNS, LIVE, STARTS, STEPS = 2000, 5, 20, 600
CONFIG = {"tasks": "sinusoid:maml", "learner": {"type": "MAMLSettings"}, "seed": 0}

_RESTORED = "async () => { await jupyterapp.restored; return performance.now(); }"
_LONG = """() => {
  window.long = [];
  new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration)))
    .observe({entryTypes: ['longtask']});
}"""
_SCROLL = """async () => {
  const view = document.querySelector('.wb-runs-view');
  for (let k = 0; k < 200; k++) {
    view.scrollTop = (view.scrollHeight * k) / 200;
    await new Promise(requestAnimationFrame);
  }
  await new Promise((done) => setTimeout(done, 5000));
  return Math.max(0, ...window.long);
}"""
_OPEN = """async () => {
  const begun = performance.now();
  void jupyterapp.commands.execute('docmanager:open', {path: 'large.metatrace'});
  while (!document.querySelector('.wb-trace .wb-stage'))
    await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""
_SCRUB = """async () => {
  const panel = document.querySelector('.wb-trace section.wb');
  const said = () => panel.querySelector('.wb-now-step').textContent;
  const found = [];
  for (let k = 0; k < 100; k++) {
    await new Promise(requestAnimationFrame);
    const begun = performance.now();
    const before = said();
    panel.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
    while (said() === before) await new Promise((done) => queueMicrotask(done));
    panel.getBoundingClientRect();
    found.push(performance.now() - begun);
  }
  return found;
}"""


def make_runs(folder: Path) -> None:
    """Run directories as trainings leave them."""
    for k in range(RUNS):
        run = folder / "runs" / f"run-{k:04}"
        (run / "checkpoints").mkdir(parents=True)
        config = {**CONFIG, "seed": k % 5, "training": {"iterations": 1000}}
        (run / "config.json").write_text(json.dumps(config))
        (run / "status.json").write_text(json.dumps({"state": "paused", "iteration": 500}))
        (run / "lock").touch()
        rows = [
            {"iteration": 10 * i, "split": "validation", "mse": 1 / (i + 1), "seconds": i / 10}
            for i in range(50)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """Some of them held, as by processes that train."""
    with ExitStack() as held:
        for k in range(LIVE):
            lock = held.enter_context((folder / "runs" / f"run-{k:04}" / "lock").open("a+"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_trace(path: Path) -> None:
    """An adaptation of so many steps, with the frames that one scrubs."""
    session = Session("sinusoid-maml", count=2, queries=20)
    tape = Tape.record(session.source.learner, session.episode, STEPS, about=session.source.about)
    tape.save(path, kinds=["examples", "steps", "curves", "norms"])


def looked(folder: Path) -> list[float]:
    """Seconds of the processor for a first look at all runs, and for one that finds them known."""
    lookout, found = Lookout(folder), []
    for _ in range(3):
        begun = time.process_time()
        lookout.page({})
        found.append(time.process_time() - begun)
    return found


def started(page: Page, with_extension: bool) -> float:
    """Milliseconds until JupyterLab stands."""
    ours = "**/labextensions/metalearning-workbench/**"
    # Both ways, since a page of which requests are looked at loads more slowly.
    page.route(ours, lambda route: route.continue_() if with_extension else route.abort())
    page.reload()
    page.wait_for_function("() => window.jupyterapp")
    found = page.evaluate(_RESTORED)
    page.unroute(ours)
    return float(found)


def main() -> str:
    """Measure everything; a Markdown table."""
    if chromium() is None:
        return "lab: no Chromium was found, so nothing was measured"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_runs(folder)
        make_trace(folder / "large.metatrace")
        size = (folder / "large.metatrace").stat().st_size / 2**20
        first, *again = looked(folder)
        with jupyterlab(folder) as server, lab_page(server) as (page, _), training(folder):
            starts = {True: [], False: []}
            for _ in range(STARTS):
                for extension, times in starts.items():
                    times.append(started(page, extension))
            started(page, True)
            page.evaluate("() => jupyterapp.commands.execute('metalearning-workbench:show-runs')")
            page.locator(".wb-run[data-place]").first.wait_for()
            page.evaluate(_LONG)
            longest = page.evaluate(_SCROLL)
            nodes = page.evaluate("() => document.querySelectorAll('.wb-sidebar *').length")
            page.evaluate("() => jupyterapp.shell.collapseLeft()")
            opened = page.evaluate(_OPEN)
            scrubs = sorted(page.evaluate(_SCRUB))
    pairs = [one - other for one, other in zip(starts[True], starts[False], strict=True)]
    more = statistics.fmean(pairs)
    half = half_width(statistics.stdev(pairs), STARTS)
    rows = [
        ("start of JupyterLab, more than without it", f"{more:.0f} ± {half:.0f} ms", "100 ms"),
        (f"first look at {RUNS:,} runs, in the server", f"{first:.2f} s", ""),
        ("another look at them", f"{statistics.median(again):.2f} s", ""),
        (f"longest task of the page, {LIVE} of them live", f"{longest:.0f} ms", "50 ms"),
        ("elements of the side bar", f"{nodes}", ""),
        (f"opening a trace of {size:.0f} MB", f"{opened:.0f} ms", "1,000 ms"),
        ("a step in it, median", f"{statistics.median(scrubs):.1f} ms", "16 ms"),
        ("a step in it, 95 of 100", f"{scrubs[94]:.1f} ms", ""),
    ]
    head = "| what | found | limit |\n|---|---|---|\n"
    return head + "\n".join(f"| {what} | {value} | {limit} |" for what, value, limit in rows)


if __name__ == "__main__":
    print(main())
