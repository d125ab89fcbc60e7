"""Files below a folder, such that no name, link or change of a moment leads out of it.

A place is a path relative to the folder. It is gone down to one name at a time, each opened in the
directory before it and none through a link, and what was opened is what is used: between a look at
a name and its use nothing can be put in its place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import UserError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in a file's place would never answer


def names_of(place: str) -> list[str]:
    """The names on the way to a place; refused where one of them leads anywhere else.

    >>> names_of("runs/mine")
    ['runs', 'mine']
    """
    names = place.split("/") if place else []
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise UserError(f"'{place}' is no place below the folder that is served")
    return names


@contextmanager
def opened(root: Path | str, place: str) -> Iterator[int]:
    """A directory below `root`, open."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with inside(handle, place) as found:
            yield found
    finally:
        os.close(handle)


@contextmanager
def inside(folder: int, place: str) -> Iterator[int]:
    """A directory below one that is open, open as well."""
    handle = os.dup(folder)
    try:
        for name in names_of(place):
            try:
                inner = os.open(name, _FOLDER, dir_fd=handle)
            except OSError:
                raise UserError(
                    f"there is no folder '{place}' (links are not followed): look again"
                ) from None
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def folder_made(root: Path | str, name: str) -> Iterator[int]:
    """A folder of this name directly below `root`, open; made where it is not there."""
    with opened(root, "") as top, suppress(FileExistsError):
        os.mkdir(name, dir_fd=top)
    with opened(root, name) as found:
        yield found


@contextmanager
def open_file(folder: int, name: str, how: int = os.O_RDONLY) -> Iterator[int | None]:
    """A plain file of an open directory; None where there is none."""
    handle = None
    with suppress(OSError):
        handle = os.open(name, how | _FILE, 0o666, dir_fd=folder)
    try:
        plain = handle is not None and stat.S_ISREG(os.fstat(handle).st_mode)
        yield handle if plain else None
    finally:
        if handle is not None:
            os.close(handle)


def tail(handle: int, most: int) -> tuple[bytes, bool]:
    """The last bytes of an open file, and whether they are all there is."""
    size = os.fstat(handle).st_size
    return os.pread(handle, most, max(0, size - most)), size <= most


def is_there(folder: int, name: str) -> bool:
    """Whether a directory has a plain file or folder of this name."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
