"""Files that appear whole or not at all, and named tensors in one file with a header.

Tensors are kept by safetensors, what belongs to them as JSON in its metadata: no pickle is read or
written, so a hostile file can at worst be refused.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError
from workbench.measures import is_measure

if TYPE_CHECKING:  # those that only read rows of a run need no torch
    from torch import Tensor

_HALF_WRITTEN = re.compile(r"\..+\.\d+\.\d+")  # as `write_safely` names it
LARGEST = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4  # bytes to hold at once
ROWS = ("train", "validation", "diagnostics", "adaptation")  # kinds of rows of a run, as `split`
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


def is_full(error: BaseException | None) -> bool:
    """Whether it was the disk, with no room left, that an error began with.

    >>> is_full(OSError(errno.ENOSPC, "no space")), is_full(UserError("no"))
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def holding(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file; whether it is held, where it is not waited for. A kill gives it back."""
    with writing(path), path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


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


def swept(folder: Path) -> list[Path]:
    """What `write_safely` left half-written in a folder when its process was killed: removed.

    Only for a folder in which no living process writes.
    """
    left = [path for path in folder.glob(".*") if _HALF_WRITTEN.fullmatch(path.name)]
    for path in left:
        path.unlink(missing_ok=True)
    return left


def read_json(path: Path) -> Any:
    """The plain data of a JSON file; what is no JSON, or holds NaN, is refused with a sentence."""
    try:
        return plain_data(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check it") from None
    except ValueError as error:
        raise UserError(f"{path} is no valid JSON ({error}): restore it") from None


def plain_data(text: bytes) -> Any:
    """The plain data that JSON holds; a ValueError where it is none, has NaN or is too deep.

    >>> plain_data(b'{"loss": NaN}')
    Traceback (most recent call last):
    ...
    ValueError: NaN is no number
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def measured(content: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of a run's metrics, and which of its lines, from 1, are damaged.

    A last line without an end is one that is being written: it is neither.

    >>> measured(b'{"iteration": 5, "loss": 0.5}\\n5\\n{"iterat')
    ([{'iteration': 5, 'loss': 0.5}], [2])
    """
    rows, damaged = [], []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            row = plain_data(line)
        except ValueError:
            row = None
        if _is_row(row):
            rows.append(row)
        else:
            damaged.append(number)
    return rows, damaged


def damage(lines: list[int]) -> str:
    """What is damaged, in a word.

    >>> damage([3, 5])
    'is damaged in 2 lines, the first of them line 3'
    """
    first = f"line {lines[0]}"
    more = f"{len(lines)} lines, the first of them {first}"
    return f"is damaged in {more if len(lines) > 1 else first}"


def plain_name(name: str) -> str:
    """A name for a folder of one's own, or a refusal.

    >>> plain_name("mine")
    'mine'
    """
    name = name.strip()
    if not name or Path(name).name != name or name.startswith("."):
        raise UserError(f"a run cannot be called '{name}': give a plain name, without '/'")
    return name


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict):
        return False
    iteration = row.get("iteration")
    return (
        isinstance(iteration, int)
        and iteration >= 0
        and row.get("split", "train") in ROWS
        and all(
            value is None or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)
            for name, value in row.items()
            if name not in ("split", "measure", "diverged", "notice")
        )
        and ("measure" not in row or is_measure(row["measure"]))
        and all(isinstance(row.get(name, ""), str) for name in ("diverged", "notice"))
    )


def save_tensors(
    path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, Any], *, kind: str
) -> Path:
    """Write tensors and a header of plain data as a file of a kind, such as 'metatrace'."""
    import torch
    from safetensors.torch import save

    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    plain = torch.contiguous_format  # also of a single number, whatever strides it had
    own = {name: t.detach().cpu().clone(memory_format=plain) for name, t in tensors.items()}
    try:
        text = json.dumps({"names": list(own), **header})
    except TypeError as error:
        raise UserError(f"{path} can hold only plain data ({error}): leave it out") from None
    text = json.dumps({**json.loads(text), "sha256": _fingerprint(own, text)})
    write_safely(path, save(own, {kind: text}))
    return path


def read_tensors(
    path: Path | str, *, kind: str, schema: int, hashed: int = 1, cure: str = "save it again"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` wrote; a damaged, foreign or newer file is refused with a sentence.

    schema  the newest version of this kind that can be read; the header says its own
    hashed  the first version that has a checksum
    cure    what to do about a damaged one
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}: check its name")
    content = read_content(path)
    damaged = UserError(f"{path} is damaged or no {kind} file: {cure}")
    try:
        found = load(content)
        own = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        header = json.loads(own["__metadata__"][kind])
        if header["schema"] > schema:  # before its other fields, which may mean something new
            raise UserError(f"{path} was written by a newer workbench: update this one")
        unhashed = header["schema"] < hashed and "sha256" not in header
        digest = header.pop("sha256", None)
        text = json.dumps(header)
        tensors = {name: found[name] for name in header.pop("names", found)}
        # older files have a checksum of their tensors alone
        whole = unhashed or digest in (_fingerprint(tensors, text), _fingerprint(tensors))
    except UserError:
        raise
    # A RuntimeError is a type of numbers without bytes of its own, or JSON nested beyond reason.
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError):
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


def _fingerprint(tensors: Mapping[str, Tensor], text: str = "") -> str:
    import torch

    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
