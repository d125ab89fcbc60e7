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
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError

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
    own = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
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
    try:
        content = (
            path.read_bytes()
        )  # whole: a mapped file that another cuts short kills the process
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check it") from None
    damaged = UserError(f"{path} is damaged or no {kind} file: save it again")
    try:
        found = load(content)
        own = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        header = json.loads(own["__metadata__"][kind])
        if header["schema"] > schema:
            raise UserError(f"{path} was written by a newer workbench: update this one")
        tensors = {name: found[name] for name in header.pop("names")}
    except UserError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise damaged from None
    if header.pop("sha256", None) != _fingerprint(tensors):
        raise damaged
    return tensors, header


def _fingerprint(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
