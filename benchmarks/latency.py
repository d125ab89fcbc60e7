"""How long a hand waits: from an event to the changed picture, in a real browser.

    .venv/bin/python -m benchmarks.latency             in the environment of `make setup`
    .venv/bin/python -m benchmarks.latency --events 20

Each number is taken in the page: from the moment at which an event is dispatched to the first
frame after the picture, not the control, has changed. Between two events the page comes to rest.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4
from playwright.sync_api import Page

from tools.browser import Notebook, Server, chromium, jupyterlab, lab_page

EVENTS = 100

_MEASURE = """
async ({picture, act, times}) => {
  const root = [...document.querySelectorAll('section.wb')].pop();
  const find = () => eval(picture);
  const actions = eval('(' + act + ')');
  const rest = (ms) => new Promise((done) => setTimeout(done, ms));
  const idle = async () => { while (root.getAttribute('aria-busy') === 'true') await rest(10); };
  const found = [];
  for (let i = 0; i < times; i++) {
    await actions.before?.(root, i);
    await idle();
    await rest(120);
    const before = find();
    const changed = new Promise((done, fail) => {
      const watch = new MutationObserver(() => {
        if (find() === before) return;
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now()));
      });
      watch.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
      setTimeout(() => fail(new Error('nothing changed at event ' + i)), 60000);
    });
    const begun = performance.now();
    actions.event(root, i);
    found.push(await changed - begun);
  }
  return found;
}
"""

# What is drawn, as a text that differs when the picture does.
_CURVE = """root.querySelector('section[aria-label="What it does"] svg[role=group]').innerHTML"""
_QUERY = """[...root.querySelectorAll('section[aria-label="What it does"] [role=option]')]
  .map((one) => one.getAttribute('aria-label')).join()"""
_PATH = """[...root.querySelectorAll('section[aria-label="What it does"] svg[role=group] path')]
  .filter((one) => one.style.strokeWidth === '2').map((one) => one.getAttribute('d')).join()"""
_MAP = """root.querySelector('.wb-tabpanel svg[role]')?.innerHTML ?? ''"""

_SLIDE = """{event: (root, i) => {
  const slider = root.querySelector('input[type=range][aria-label="inner rate"]');
  slider.value = String(0.30 + 0.004 * ((7 * i) % 50) + 0.0001);
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}}"""
_SCRUB = """{event: (root, i) => {
  const key = Math.floor(i / 4) % 2 ? 'ArrowLeft' : 'ArrowRight';
  root.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
}}"""
# The goal is moved by keys, and the trajectories after an inner step follow.
_AIM = """{event: (root, i) => {
  const key = Math.floor(i / 4) % 2 ? 'ArrowLeft' : 'ArrowRight';
  const grip = root.querySelector('.wb-grip');
  grip.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
}}"""
# A setting changes, and the landscape is asked for anew as soon as it says that it is stale; where
# it is quick enough it comes by itself.
_COMPUTE = """{event: (root, i) => {
  const box = root.querySelector('.wb-field input.wb-number');
  box.value = String((0.01 + 0.0001 * ((7 * i) % 50 + 1)).toFixed(4));
  box.dispatchEvent(new Event('change', {bubbles: true}));
  let asked = 0;
  const again = () => {
    const button = [...root.querySelectorAll('.wb-tabpanel button')]
      .find((one) => /^Compute again/.test(one.textContent));
    if (button) button.click();
    else if (++asked < 500) setTimeout(again, 5);
  };
  again();
}}"""

CASES: list[dict[str, Any]] = [
    {
        "name": "slider, sinusoid MLP, K = 5",
        "cell": 'session = Session("sinusoid-maml", count=1); session.vary(steps=5)',
        "keys": ["s", "Shift+ArrowRight"],
        "picture": _CURVE,
        "act": _SLIDE,
        "most": 100,
    },
    {
        "name": "scrubbing a loaded tape, kernel busy",
        "cell": 'session = Session("sinusoid-maml", count=1)',
        "keys": [],
        "picture": _CURVE,
        "act": _SCRUB,
        "most": 30,
        "busy": True,
    },
    {
        "name": "slider, Conv4, 5-way 1-shot, K = 1",
        "cell": 'session = Session("glyphs-maml", count=1, queries=1); session.vary(steps=1)',
        "keys": ["s", "Shift+ArrowRight"],
        "picture": _QUERY,
        "act": _SLIDE,
        "most": 300,
    },
    {
        "name": "goal in the plane, 20 trajectories, K = 3",
        "cell": 'session = Session("navigation-fomaml", count=1)',
        "keys": ["Shift+ArrowRight"],
        "picture": _PATH,
        "act": _AIM,
        "most": 300,
    },
    {
        "name": "setting to landscape, 11 x 11, sinusoid",
        "cell": 'session = Session("sinusoid-maml", count=1)',
        "keys": ["s", "6"],
        "picture": _MAP,
        "act": _COMPUTE,
        "most": 1000,
    },
]


@contextmanager
def open_page() -> Iterator[tuple[Page, Server]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyterlab(Path(folder)) as server,
        lab_page(server) as (page, _),
    ):
        yield page, server


def measure(page: Page, server: Server, case: dict[str, Any], events: int) -> dict[str, Any]:
    """Milliseconds of one case."""
    code = f"from workbench.widgets import Session, Stage\n{case['cell']}\nStage(session)"
    path = server.folder / "notebooks" / "latency.ipynb"
    made = v4.new_notebook(cells=[v4.new_code_cell(code)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, path)
    notebook = Notebook(page, "notebooks/latency.ipynb")
    try:
        notebook.run_all()
        panel = notebook.panels().first
        panel.wait_for()
        panel.focus()
        for key in case["keys"]:
            page.keyboard.press(key)
        page.wait_for_timeout(1500)
        asked = {"picture": case["picture"], "act": case["act"], "times": events}
        page.evaluate(_MEASURE, asked | {"times": 3})  # what is compiled and cached once
        if case.get("busy"):  # no answer could come from a kernel that does this
            seconds = events * 0.25 + 5
            notebook.start(f"import time; time.sleep({seconds})")
        found = page.evaluate(_MEASURE, asked)
    finally:
        notebook.close()
    ordered = sorted(found)
    return {
        "name": case["name"],
        "median": statistics.median(ordered),
        "p95": ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)],
        "most": case["most"],
        "samples": found,
    }


def compare(events: int = EVENTS) -> list[dict[str, Any]]:
    """Every case; none where there is no Chromium."""
    if chromium() is None:
        return []
    with open_page() as (page, server):
        return [measure(page, server, case, events) for case in CASES]


def report(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "latency: no Chromium was found, so nothing was measured"
    lines = ["from event to changed picture, milliseconds: median and 95th percentile"]
    for row in rows:
        verdict = "met" if row["p95"] < row["most"] else "NOT MET"
        lines.append(
            f"  {row['name']:<42}{row['median']:8.1f}{row['p95']:8.1f}"
            f"   target below {row['most']}: {verdict}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    print(report(compare(parser.parse_args().events)), flush=True)
