"""What is done to runs from JupyterLab's page: start, resume, stop, delete, restore.

Each is what `workbench.training.Run` does, on directories that are open: a link in a run's place
leads nowhere. A training is a process of its own, which outlives the server.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from workbench.errors import UserError
from workbench.server.experiment import Presets
from workbench.server.looking import held, status_of
from workbench.server.messages import Asked, Done
from workbench.server.places import folder_made, is_there, names_of, open_file, opened, tail
from workbench.standing import RESUMED, TRASH

_PATIENCE = 60.0  # seconds in which a training must have begun, its imports among them
_LOG = 4_000  # bytes of what a process said last


def start(root: Path, presets: Presets, asked: Asked) -> Done:
    """Train a preset in a new run below `runs`, in a process that outlives this one."""
    preset = asked["preset"]
    presets.iterations(preset)  # refused where there is none
    with folder_made(root, "runs") as folder:
        name, number = preset, 1
        while is_there(folder, name):
            number += 1
            name = f"{preset}-{number}"
    place = f"runs/{name}"
    flags = ["--run", place, "--seed", str(asked["seed"]), "--device", asked["device"]]
    with tempfile.TemporaryFile() as said:
        command = ["-m", "workbench.cli", "train", preset, *flags]
        _begin(root, place, command, said, OMP_NUM_THREADS=str(asked["threads"]))
    return {"place": place, "undo": "", "content": {}}


def resume(root: Path, place: str) -> Done:
    """Go on with a run that was stopped, killed or failed."""
    with opened(root, place) as folder:
        state = status_of(folder).state
        if state not in RESUMED:
            raise UserError(f"'{place}' is {state}: only a run that was stopped goes on")
        with open_file(folder, "log.txt", os.O_RDWR | os.O_APPEND | os.O_CREAT) as log:
            if log is None:
                raise UserError(f"the log of '{place}' cannot be written: look at its folder")
            with os.fdopen(os.dup(log), "a+b") as said:
                _begin(root, place, ["-m", "workbench.training", place], said)
    return {"place": place, "undo": "", "content": {}}


def _begin(root: Path, place: str, command: list[str], said: IO[bytes], **environment: str) -> None:
    """Start a training, and wait until it holds its run or says why not."""
    child = subprocess.Popen(
        [sys.executable, *command],
        cwd=root,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        start_new_session=True,
    )
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        ended = child.poll() is not None
        with suppress(UserError), opened(root, place) as folder:
            if held(folder)[0] is not None:
                return
        if ended:
            if child.returncode == 0:  # it was short
                return
            lines = tail(said.fileno(), _LOG)[0].decode(errors="replace").strip().splitlines()
            raise UserError(lines[-1] if lines else f"the training of '{place}' ended at once")
        time.sleep(0.05)


def stop(root: Path, place: str) -> Done:
    """Ask the living process to write a checkpoint and end."""
    with opened(root, place) as folder:
        if held(folder)[0] is None:
            raise UserError(f"nothing trains in '{place}': there is nothing to stop")
        with open_file(folder, "stop", os.O_WRONLY | os.O_CREAT) as asked:
            if asked is None:
                raise UserError(f"'{place}' cannot be written: stop it on the command line")
    return {"place": place, "undo": "", "content": {}}


def delete(root: Path, place: str) -> Done:
    """Move a run into the trash beside it, from where `restore` brings it back."""
    above, _, name = place.rpartition("/")
    if not name or TRASH in names_of(place):
        raise UserError(f"'{place}' is no run that can be deleted")
    with opened(root, above) as parent:
        with suppress(FileExistsError):
            os.mkdir(TRASH, dir_fd=parent)
        trash = f"{above}/{TRASH}" if above else TRASH
        with opened(root, trash) as bin_:
            free, number = name, 1
            while is_there(bin_, free):
                number += 1
                free = f"{name}-{number}"
            _move(root, place, (parent, name), (bin_, free))
    return {"place": place, "undo": f"{trash}/{free}", "content": {}}


def restore(root: Path, place: str) -> Done:
    """Bring a run out of the trash, back among the others."""
    above, _, name = place.rpartition("/")
    if above.rpartition("/")[2] != TRASH:
        raise UserError(f"'{place}' is not in the trash: there is nothing to restore")
    back = above.rpartition("/")[0]
    with opened(root, above) as bin_, opened(root, back) as parent:
        if is_there(parent, name):
            raise UserError(f"there is another '{name}' by now: rename that first")
        _move(root, place, (bin_, name), (parent, name))
    return {"place": f"{back}/{name}" if back else name, "undo": "", "content": {}}


def _move(root: Path, place: str, what: tuple[int, str], to: tuple[int, str]) -> None:
    """Move a run between open directories while nothing trains in it."""
    with opened(root, place) as folder:
        if not is_there(folder, "config.json"):
            raise UserError(f"'{place}' is no run directory (it has no config.json)")
        with open_file(folder, "lock", os.O_RDWR) as lock:
            if lock is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise UserError(f"'{place}' is training: stop it first") from None
            os.rename(what[1], to[1], src_dir_fd=what[0], dst_dir_fd=to[0])
