"""Omniglot's official zip archives, read in memory and never trusted.

No member is ever extracted: names must match one strict pattern, sizes are bounded before anything
is unpacked or decoded, and the whole must have the official number of alphabets and characters.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from workbench.errors import UserError

Part = Literal["background", "evaluation"]
_CONTENTS: dict[Part, tuple[int, int]] = {"background": (30, 964), "evaluation": (20, 659)}
DRAWERS, RAW, SIDE = 20, 105, 28

# The only names that are read. Nothing is ever written under a name out of an archive.
_MEMBER = re.compile(
    r"images_(background|evaluation)/([A-Za-z][\w()-]*)/(character\d\d)/(\d{4})_(\d\d)\.png",
    re.ASCII,
)
_CLUTTER = re.compile(r"(__MACOSX/|.*(^|/)(\.DS_Store|\._[^/]*|Thumbs\.db)$)")
_LARGEST_ARCHIVE, _LARGEST_IMAGE, _MOST_MEMBERS = 64 << 20, 64 << 10, 100_000
# What zipfile raises on archives that are cut short, damaged, encrypted or made to confuse it.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
)


@dataclass(frozen=True, eq=False)
class Characters:
    """One archive, prepared: sorted names, and `[character x drawer, 1, 28, 28]` uint8 ink."""

    names: tuple[str, ...]
    images: Tensor


def read_archive(path: Path, part: Part | None = None) -> Characters:
    """Reads and checks an official archive, in memory; anything unexpected is refused."""
    part = part or ("evaluation" if "evaluation" in path.name else "background")
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            members = _members(path, archive, part)
            return _characters(path, archive, members, part)
    except UserError:
        raise
    except _DAMAGE as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): get the official archive again"
        ) from error


def read_bytes(path: Path) -> bytes:
    """The bytes of an archive, if it is not far too large for one."""
    try:
        if path.stat().st_size > _LARGEST_ARCHIVE:
            raise UserError(
                f"{path} is larger than {_LARGEST_ARCHIVE >> 20} MiB: the official archive is not, "
                "get it again"
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): see to its permissions") from (
            error
        )


def _members(path: Path, archive: zipfile.ZipFile, part: Part) -> dict[str, list[zipfile.ZipInfo]]:
    """Each class's images in drawer order, or a refusal."""
    entries = archive.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise _hostile(path, f"holds {len(entries)} members")
    found: dict[str, dict[int, zipfile.ZipInfo]] = {}
    for entry in entries:
        name = entry.orig_filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
            raise _hostile(path, f"has a member that points outside it, {name!r}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _hostile(path, f"has a symbolic link, {name!r}")
        if entry.is_dir() or _CLUTTER.match(name):
            continue
        match = _MEMBER.fullmatch(name)
        if match is None or match[1] != part:
            raise _hostile(path, f"has a member that is no image of the {part} set, {name!r}")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _hostile(path, f"has a member packed in an unusual way, {name!r}")
        if entry.file_size > _LARGEST_IMAGE:
            raise _hostile(path, f"has an image of {entry.file_size} bytes, {name!r}")
        drawers = found.setdefault(f"{match[2]}/{match[3]}", {})
        if int(match[5]) in drawers:
            raise _hostile(path, f"has {name!r} twice")
        drawers[int(match[5])] = entry
    alphabets = len({name.split("/")[0] for name in found})
    if (alphabets, len(found)) != _CONTENTS[part]:
        expected = _CONTENTS[part]
        raise UserError(
            f"{path} has {alphabets} alphabets and {len(found)} characters where the {part} set "
            f"has {expected[0]} and {expected[1]}: get the official archive again"
        )
    for name, drawers in found.items():
        if sorted(drawers) != list(range(1, DRAWERS + 1)):
            raise UserError(
                f"{path} has {len(drawers)} images of {name} where there are {DRAWERS}: "
                "get the official archive again"
            )
    return {name: [found[name][d] for d in sorted(found[name])] for name in sorted(found)}


def _characters(
    path: Path, archive: zipfile.ZipFile, members: dict[str, list[zipfile.ZipInfo]], part: Part
) -> Characters:
    import numpy as np
    from PIL import Image

    images = np.empty((len(members) * DRAWERS, 1, SIDE, SIDE), np.uint8)
    entries = [entry for drawers in members.values() for entry in drawers]
    for row, entry in enumerate(entries):
        content = archive.read(entry)
        try:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                if image.size != (RAW, RAW):  # known before anything is decoded
                    raise _hostile(path, f"has an image of {image.size} pixels, {entry.filename!r}")
                small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        except UserError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _hostile(path, f"has a broken image, {entry.filename!r}") from error
        images[row, 0] = 255 - np.asarray(small)
    return Characters(tuple(members), torch.from_numpy(images))


def _hostile(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}: it is not the official archive, get that one")
