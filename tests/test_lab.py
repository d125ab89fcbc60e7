"""`workbench lab` copies what is missing and serves JupyterLab with our settings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from workbench import UserError
from workbench.lab import FIRST, copy_notebooks, lab_arguments
from workbench.resources import resources


def test_missing_notebooks_are_copied_and_others_left(tmp_path: Path):
    folder = tmp_path / "notebooks"
    made = copy_notebooks(folder)
    assert folder / FIRST in made
    (folder / FIRST).write_text("mine")
    assert copy_notebooks(folder) == []
    assert (folder / FIRST).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "notebooks").write_text("a file is in the way")
    with pytest.raises(UserError, match="cannot be copied to .* run `workbench lab` in a folder"):
        copy_notebooks(tmp_path / "notebooks")


def test_the_users_arguments_come_last(tmp_path: Path):
    assert lab_arguments(tmp_path, ["--port=9", "--no-browser"])[-2:] == [
        "--port=9",
        "--no-browser",
    ]


def test_the_first_notebook_is_there():
    assert (resources("notebooks") / FIRST).is_file()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A running `workbench lab` in an empty folder; its address."""
    port = free_port()
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        **{f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")},
    }
    options = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root"]
    command = f"from workbench.lab import main; main({[*options, '--IdentityProvider.token=']})"
    log = (tmp_path / "log.txt").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", command], cwd=tmp_path, env=env, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urlopen(f"{address}/api", timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert process.poll() is None, (tmp_path / "log.txt").read_text()
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def read(address: str) -> tuple[str, bytes]:
    with urlopen(address, timeout=20) as answer:
        return answer.url, answer.read()


def test_jupyterlab_opens_at_the_first_notebook_with_our_settings(server: str):
    assert read(f"{server}/")[0].startswith(f"{server}/lab/tree/notebooks/{FIRST}")
    assert json.loads(read(f"{server}/api/contents/notebooks/{FIRST}")[1])["type"] == "notebook"

    plugin = "@jupyterlab/apputils-extension:kernels-settings"
    settings = json.loads(read(f"{server}/lab/api/settings/{plugin}")[1])
    # Widget messages stay on the kernel's main thread.
    assert settings["schema"]["properties"]["commsOverSubshells"]["default"] == "disabled"

    own = json.loads(read(f"{server}/lab/api/settings/metalearning-workbench:experiments")[1])
    assert set(own["schema"]["properties"]) == {"style", "seed", "threads", "device", "budget"}
    assert json.loads(read(f"{server}/workbench/runs")[1])["total"] == 0
