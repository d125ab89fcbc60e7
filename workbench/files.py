"""Files that appear whole or not at all, and named tensors in one file with a header.

Tensors are kept by safetensors, what belongs to them as JSON in its metadata: no pickle is read or
written, so a hostile file can at worst be refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError

LARGEST = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4  # bytes to hold at once
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the failures of writing below `path` that a user can mend into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(
                f"the disk of {path} is full: nothing half-written was left behind; "
                "free some space and go on"
            ) from error
        raise UserError(
            f"{path} cannot be written ({error.strerror}): choose another place"
        ) from error


def write_safely(path: Path, content: bytes) -> None:
    """A file's content replaced at once or not at all, even through a power cut."""
    with writing(path):
        name = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            name.replace(path)
        except BaseException:
            with suppress(OSError):
                name.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_tensors(
    path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, Any], *, kind: str
) -> Path:
    """Write tensors and a header of plain data as a file of a kind, such as 'metatrace'."""
    from safetensors.torch import save

    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    plain = torch.contiguous_format  # also of a single number, whatever strides it had
    own = {name: t.detach().cpu().clone(memory_format=plain) for name, t in tensors.items()}
    try:
        text = json.dumps({"names": list(own), "sha256": _fingerprint(own), **header})
    except TypeError as error:
        raise UserError(f"{path} can hold only plain data ({error}): leave it out") from None
    write_safely(path, save(own, {kind: text}))
    return path


def read_tensors(
    path: Path | str, *, kind: str, schema: int
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` wrote; a damaged, foreign or newer file is refused with a sentence.

    schema  the newest version of this kind that can be read; the header says its own
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}: check its name")
    content = read_content(path)
    damaged = UserError(f"{path} is damaged or no {kind} file: save it again")
    try:
        found = load(content)
        own = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        header = json.loads(own["__metadata__"][kind])
        if header["schema"] > schema:  # before its other fields, which may mean something new
            raise UserError(f"{path} was written by a newer workbench: update this one")
        tensors = {name: found[name] for name in header.pop("names")}
        whole = header.pop("sha256", None) == _fingerprint(tensors)
    except UserError:
        raise
    # A RuntimeError is a type of numbers without bytes of its own, or JSON nested beyond reason.
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        raise damaged from None
    if not whole or not _shallow(header):
        raise damaged
    return tensors, header


def read_content(path: Path) -> bytes:
    """A file's bytes, if they are not far too many; whole, since a mapped file that another cuts
    short kills the process."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(
                f"{path} is of {size / 2**30:.1f} GiB, more than a quarter of this machine's "
                "memory: look at it on a larger one"
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check it") from None


def read_record(path: Path, *, kind: str) -> dict[str, Any]:
    """A JSON object from a file of a kind; any other content is refused with a sentence."""
    with understood(path, kind):
        record = json.loads(read_content(path))
        if not isinstance(record, dict) or not _shallow(record):
            raise TypeError(kind)
    return record


@contextmanager
def understood(path: Path | str, kind: str) -> Iterator[None]:
    """Turns whatever is wrong with a foreign file's content into one sentence."""
    try:
        yield
    except UserError as error:
        said = f"{path} is damaged or no {kind} file ({shorten(str(error), 200)}): save it again"
        raise UserError(said) from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        raise UserError(f"{path} is damaged or no {kind} file: save it again") from None


def _shallow(data: Any, most: int = 32) -> bool:
    """Whether plain data is nested no deeper than what walks through it can go."""
    level = [data]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return not level


def _fingerprint(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
