"""JupyterLab in a real browser: what browser tests, the latency benchmark and screenshots share.

The server runs as `workbench lab` does (or Notebook 7), in a folder of its own; Chromium reaches
that server and nothing else. Every process that this starts is ended by its id, on failure too.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, sync_playwright

ROOT = Path(__file__).parent.parent
SECONDS = 240  # that anything may take before it is given up, on a busy machine

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]


def chromium() -> str | None:
    """The browser on this machine, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


# ---- the server -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: where it is, and the folder that it serves."""

    address: str
    token: str
    folder: Path

    def url(self, path: str) -> str:
        """An address with the token that opens it."""
        return f"{self.address}/{path}?token={self.token}"


def wheel(folder: Path) -> Path:
    """The wheel of this checkout, built and unpacked: what an installed workbench consists of."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


@contextmanager
def jupyterlab(
    folder: Path, site: Path | None = None, reader: Path | None = None
) -> Iterator[Server]:
    """`workbench lab` in a folder, with a home of its own, on a free port of 127.0.0.1.

    site    an unpacked wheel: it runs by what is in that, with no Node in sight, and not by the
            checkout
    reader  packages that are installed beside JupyterLab; Notebook 7, if it is one of these, is
            what runs
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    server = Server(f"http://127.0.0.1:{_free_port()}", secrets.token_hex(16), folder)
    env = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "OMP_NUM_THREADS": "1",
        **_paths([site or ROOT, *([reader] if reader else [])]),
    }
    if site is not None:
        env["PATH"] = "/usr/bin:/bin"
    options = [
        f"--port={server.address.rpartition(':')[2]}",
        "--ip=127.0.0.1",
        "--no-browser",
        "--allow-root",
        f"--IdentityProvider.token={server.token}",
    ]
    module, app = "workbench.lab", "LabApp"
    if reader is not None and (reader / "notebook").is_dir():
        module, app = "notebook.app", "JupyterNotebookApp"
        env["JUPYTERLAB_DIR"] = str(_settings(reader, home / "lab"))
    options.append(f"--{app}.expose_app_in_browser=True")
    log = (home / "log.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_ORPHANED}\nfrom {module} import main; main({options})"],
        cwd=folder,
        env=env,
        stdout=log,
        stderr=log,
    )
    try:
        _wait_for(server, process, home / "log.txt")
        yield server
    finally:
        log.close()
        _end(process, folder)


def _paths(places: list[Path]) -> dict[str, str]:
    """Where Python and Jupyter find what each place has; a wheel keeps its data in a folder."""
    data = [next(place.glob("*.data/data"), place) for place in places]
    found = {
        "PYTHONPATH": places,
        "JUPYTER_PATH": [place / "share" / "jupyter" for place in data],
        "JUPYTER_CONFIG_PATH": [place / "etc" / "jupyter" for place in data],
    }
    return {name: os.pathsep.join(map(str, paths)) for name, paths in found.items()}


def _settings(reader: Path, folder: Path) -> Path:
    """JupyterLab's settings and themes and those of a reader, as one installation has them."""
    for place in (Path(sys.prefix), reader):
        lab = place / "share" / "jupyter" / "lab"
        shutil.copytree(lab, folder, ignore=lambda *_: ["static"], dirs_exist_ok=True)
    return folder


# A server whose parent was killed ends by itself, and its kernels with it.
_ORPHANED = """
import os, signal, threading, time
def watch(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            urlopen(server.url("api"), timeout=5).close()
            return
        except (URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}") from None
            time.sleep(0.1)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End the server, its kernels, and trainings that outlive these: all that work in `folder`."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    left = []
    for other in psutil.process_iter():
        try:
            if Path(other.cwd()).is_relative_to(folder):
                left.append(other)
        except (psutil.Error, OSError):
            continue
    for other in left:
        other.terminate()
    for other in psutil.wait_procs(left, timeout=5)[1]:
        other.kill()


# ---- the browser ------------------------------------------------------------------------------


_DARK = """
() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})
"""


@dataclass
class Watched:
    """What a page did that it should not have: requests that left, errors on its console."""

    address: str
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, context: BrowserContext) -> None:
        """Follow all pages of a context, and stop what would leave the machine."""
        context.route(lambda url: not self._own(url), lambda route: route.abort())
        context.on("request", lambda request: self._went(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("page", lambda page: page.on("websocket", lambda ws: self._went(ws.url)))

    def _own(self, url: str) -> bool:
        here = (self.address, self.address.replace("http", "ws", 1))
        local = (*here, "data:", "blob:", "about:", "file:")
        return url.startswith(local)

    def _went(self, url: str) -> None:
        if not self._own(url):
            self.left.append(url)

    def _said(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        # Jupyter's server cannot list kernels in the moment in which one of them starts: it has no
        # state yet (kernel_model in jupyter_server 2.x). JupyterLab asks again.
        listing = url.startswith(f"{self.address}/api/kernels?") and "status of 500" in message.text
        if message.type == "error" and not listing:
            self.errors.append(f"{message.text} ({url})")


@contextmanager
def browsing(
    server: Server, *, width: int = 1600, height: int = 1000, dark: bool = False
) -> Iterator[tuple[BrowserContext, Watched]]:
    """Chromium, for pages of a server, and what they did that they should not have."""
    executable = chromium()
    if executable is None:
        raise RuntimeError("no Chromium was found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
                permissions=["clipboard-read", "clipboard-write"],
            )
            context.set_default_timeout(1000 * SECONDS / 4)
            watched = Watched(server.address)
            watched.attach(context)
            yield context, watched
        finally:
            browser.close()


def open_page(context: BrowserContext, url: str) -> Page:
    """A page of Jupyter's, ready for commands."""
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("() => window.jupyterapp", timeout=1000 * SECONDS)
    page.evaluate("async () => { await jupyterapp.restored; }")
    return page


@contextmanager
def lab_page(
    server: Server, *, width: int = 1600, height: int = 1000, dark: bool = False
) -> Iterator[tuple[Page, Watched]]:
    """JupyterLab's page in Chromium, ready for commands, with its side bar away."""
    with browsing(server, width=width, height=height, dark=dark) as (context, watched):
        page = open_page(context, server.url("lab"))
        page.evaluate("() => jupyterapp.shell.collapseLeft()")
        if dark:
            page.evaluate(_DARK)
        yield page, watched


# ---- a notebook -------------------------------------------------------------------------------

_IN_TIME = """
const inTime = (promise, what) => Promise.race([
  promise,
  new Promise((_, no) => setTimeout(() => no(new Error(what + ' took too long')), SECONDS)),
]);
const found = () => [...jupyterapp.shell.widgets('main')]
  .filter((one) => one.context && one.context.path === path)[0];
const kernel = () => found().context.sessionContext.session?.kernel;
""".replace("SECONDS", str(1000 * SECONDS))

_OPEN = """
const widget = found() ?? await inTime(
  jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'}), 'opening');
jupyterapp.shell.activateById(widget.id);
await inTime(widget.context.sessionContext.ready, 'the kernel');
"""

_IDLE = """
const moment = () => new Promise((done) => setTimeout(done, 20));
const idle = async () => { while (kernel()?.status !== 'idle') await moment(); };
await inTime(idle(), 'waiting for the kernel');
"""

_RUN_ALL = """
jupyterapp.shell.activateById(found().id);
await inTime(jupyterapp.commands.execute('notebook:run-all-cells'), 'running the cells');
"""

_EXECUTE = """
const future = kernel().requestExecute({
  code: argument.code, user_expressions: argument.expressions, store_history: false,
});
const errors = [];
future.onIOPub = (message) => {
  if (message.header.msg_type === 'error') errors.push(message.content.traceback.join('\\n'));
};
const reply = await inTime(future.done, argument.code || 'the kernel');
return {content: reply.content, errors};
"""

_ERRORS = """
const cells = [...found().content.model.cells];
return cells.flatMap((cell) => cell.outputs ? cell.outputs.toJSON() : [])
  .filter((output) => output.output_type === 'error' || output.name === 'stderr')
  .map((output) => output.evalue || output.text);
"""

_CLOSE = """
const widget = found();
widget.context.model.dirty = false;
widget.dispose();
"""


class Notebook:
    """A notebook that is open in JupyterLab's page."""

    def __init__(self, page: Page, path: str) -> None:
        self.page, self.path = page, path
        self._evaluate(_OPEN)
        self._evaluate(_IDLE)

    def _evaluate(self, body: str, argument: Any = None) -> Any:
        code = f"async ([path, argument]) => {{ {_IN_TIME} {body} }}"
        return self.page.evaluate(code, [self.path, argument])

    def run_all(self) -> None:
        """Run all cells, as the menu does, and wait for the last."""
        self._evaluate(_RUN_ALL)

    def restart(self) -> None:
        """A new kernel for the same page."""
        self._evaluate("await inTime(kernel().restart(), 'restarting');")
        self._evaluate(_IDLE)

    def end(self) -> None:
        """No kernel any more; the page stays."""
        self._evaluate("await inTime(found().context.sessionContext.shutdown(), 'ending');")

    def run(self, code: str) -> None:
        """Run code in the kernel, through the page's own connection."""
        done = self._evaluate(_EXECUTE, {"code": code, "expressions": {}})
        if done["content"]["status"] != "ok":
            raise RuntimeError("\n".join(done["errors"]))

    def start(self, code: str) -> None:
        """Run code in the kernel and do not wait for it."""
        self._evaluate("kernel().requestExecute({code: argument});", code)

    def value(self, expression: str) -> Any:
        """What an expression is in the kernel, as plain data."""
        as_json = f"__import__('json').dumps({expression})"
        done = self._evaluate(_EXECUTE, {"code": "", "expressions": {"value": as_json}})
        found = done["content"]["user_expressions"]["value"]
        if found["status"] != "ok":
            raise RuntimeError(f"{found['ename']}: {found['evalue']} in {expression}")
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))

    def errors(self) -> list[str]:
        """What cells said on standard error or failed with."""
        return self._evaluate(_ERRORS)

    def panels(self) -> Locator:
        """The panels in the cells' outputs, in order."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) section.wb")

    def close(self) -> None:
        """Close it with its kernel, unsaved."""
        self.end()
        self._evaluate(_CLOSE)
