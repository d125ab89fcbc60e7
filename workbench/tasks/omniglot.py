"""Omniglot from its official zips, in four published divisions of its classes.

Images are 28x28 with ink = 1. A class is named ALPHABET/characterNN; classes are sorted by name,
those of the background set before those of the evaluation set.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import permutation
from workbench.tasks import data
from workbench.tasks.base import Split
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

Part = Literal["background", "evaluation"]
_CONTENTS: dict[Part, tuple[int, int]] = {"background": (30, 964), "evaluation": (20, 659)}
_DRAWERS, _RAW, _SIDE = 20, 105, 28

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
_FORMAT = "1"  # of the cached file; raise it when the way images are prepared changes

_SPLIT_SEED = 0
_VINYALS_VALIDATION = (
    "Armenian",
    "Bengali",
    "Early_Aramaic",
    "Hebrew",
    "Mkhedruli_(Georgian)",
)
_OPTIONS = ("within-alphabet", "rotations-augment", "no-rotations")


def open_omniglot(scheme: str, options: list[str]) -> FewShot:
    """Omniglot's tasks under one scheme.

    scheme   background-evaluation   by alphabet: 25 and 5 of the background set, test on the
                                     evaluation set (the released division, and the harder one)
             vinyals                 1,028, 172 and 423 characters (Vinyals et al., 2016)
             random                  1,100, 100 and 423 characters at random (1,200/423)
             background-only         20, 5 and 5 alphabets of the background set
    options  within-alphabet         a task's characters are all of one alphabet
             rotations-augment       training characters are turned by a random quarter turn, and
                                     stay the class they are
             no-rotations            as drawn
    By default a training character turned by 90°, 180° or 270° is a training class of its own,
    as in the papers. Validation and test characters are never turned.
    """
    for option in options:
        if option not in _OPTIONS:
            raise UserError(f"omniglot has no option '{option}': {nearest(option, list(_OPTIONS))}")
    if {"rotations-augment", "no-rotations"} <= set(options):
        raise UserError("omniglot was given rotations-augment and no-rotations: leave one out")
    parts: list[Part] = ["background"]
    if scheme != "background-only":
        parts.append("evaluation")
    only = (
        "" if scheme == "background-only" else "; omniglot:background-only needs no evaluation set"
    )
    paths = [data.require("omniglot", f"omniglot/images_{part}.zip", only) for part in parts]
    characters = [prepared(path, part) for path, part in zip(paths, parts, strict=True)]
    names = [name for one in characters for name in one.names]
    bank = ClassBank(
        x=torch.cat([one.images for one in characters]),
        counts=torch.full((len(names),), _DRAWERS),
        names=tuple(names),
        groups=tuple(name.split("/")[0] for name in names),
        scale=1 / 255,
    )
    turned: Literal["no", "as classes", "at random"] = "as classes"
    if "rotations-augment" in options:
        turned = "at random"
    elif "no-rotations" in options:
        turned = "no"
    division = divide(scheme, names, background=len(characters[0].names))
    return FewShot(
        bank,
        {
            "train": ClassSplit.of(division["train"], turned),
            "validation": ClassSplit.of(division["validation"]),
            "test": ClassSplit.of(division["test"]),
        },
        name="omniglot",
        scheme="/".join([scheme, *sorted(options)]),
        within_groups="within-alphabet" in options,
    )


def divide(scheme: str, names: list[str], background: int) -> dict[Split, list[int]]:
    """Which rows of the sorted names each split has; the first `background` are that set's."""
    alphabets = [name.split("/")[0] for name in names]

    def of(chosen: set[str], rows: range) -> list[int]:
        return [row for row in rows if alphabets[row] in chosen]

    drawn, held_out = range(background), range(background, len(names))
    if scheme == "random":
        order = permutation(torch.tensor([_SPLIT_SEED]), len(names))[0].tolist()
        return {
            "train": sorted(order[:1100]),
            "validation": sorted(order[1100:1200]),
            "test": sorted(order[1200:]),
        }
    if scheme == "vinyals":
        validation = of(set(_VINYALS_VALIDATION), drawn)
        test = list(range(1200, len(names)))
        rest = set(range(1200)) - set(validation)
        return {"train": sorted(rest), "validation": validation, "test": test}
    in_order = sorted(set(alphabets[:background]))
    order = permutation(torch.tensor([_SPLIT_SEED]), len(in_order))[0].tolist()
    shuffled = [in_order[place] for place in order]
    if scheme == "background-only":
        return {
            "train": of(set(shuffled[:20]), drawn),
            "validation": of(set(shuffled[20:25]), drawn),
            "test": of(set(shuffled[25:]), drawn),
        }
    return {
        "train": of(set(shuffled[:25]), drawn),
        "validation": of(set(shuffled[25:]), drawn),
        "test": list(held_out),
    }


@dataclass(frozen=True, eq=False)
class Characters:
    """One archive, prepared: sorted names, and `[character x drawer, 1, 28, 28]` uint8 ink."""

    names: tuple[str, ...]
    images: Tensor


def prepared(path: Path, part: Part) -> Characters:
    """An archive's characters, from the cache if this very file was read before."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    digest = hashlib.sha256(_bytes(path)).hexdigest()
    cached = data.cache_folder() / "omniglot" / f"{part}-{digest[:16]}.safetensors"
    if cached.is_file():
        try:
            with safe_open(cached, framework="pt") as file:
                about = file.metadata() or {}
                if about.get("zip") == digest and about.get("format") == _FORMAT:
                    names, images = tuple(json.loads(about["names"])), file.get_tensor("images")
                    if images.shape == (len(names) * _DRAWERS, 1, _SIDE, _SIDE):
                        return Characters(names, images)
        except (SafetensorError, OSError, ValueError, KeyError):
            pass  # a damaged cache is made again
    characters = read_archive(path, part)
    about = {"zip": digest, "format": _FORMAT, "names": json.dumps(characters.names)}
    try:
        with data.safe_write(cached) as temporary:
            save_file({"images": characters.images}, temporary, about)
    except (OSError, SafetensorError) as error:
        warnings.warn(f"{cached} could not be written ({error}): going on without", stacklevel=2)
    return characters


def read_archive(path: Path, part: Part | None = None) -> Characters:
    """Reads and checks an official archive, in memory; anything unexpected is refused."""
    part = part or ("evaluation" if "evaluation" in path.name else "background")
    try:
        with zipfile.ZipFile(io.BytesIO(_bytes(path))) as archive:
            members = _members(path, archive, part)
            return _characters(path, archive, members, part)
    except UserError:
        raise
    except _DAMAGE as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): get the official archive again"
        ) from error


def _bytes(path: Path) -> bytes:
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
        if sorted(drawers) != list(range(1, _DRAWERS + 1)):
            raise UserError(
                f"{path} has {len(drawers)} images of {name} where there are {_DRAWERS}: "
                "get the official archive again"
            )
    return {name: [found[name][d] for d in sorted(found[name])] for name in sorted(found)}


def _characters(
    path: Path, archive: zipfile.ZipFile, members: dict[str, list[zipfile.ZipInfo]], part: Part
) -> Characters:
    import numpy as np
    from PIL import Image

    images = np.empty((len(members) * _DRAWERS, 1, _SIDE, _SIDE), np.uint8)
    entries = [entry for drawers in members.values() for entry in drawers]
    for row, entry in enumerate(entries):
        content = archive.read(entry)
        try:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                if image.size != (_RAW, _RAW):  # known before anything is decoded
                    raise _hostile(path, f"has an image of {image.size} pixels, {entry.filename!r}")
                small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        except UserError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _hostile(path, f"has a broken image, {entry.filename!r}") from error
        images[row, 0] = 255 - np.asarray(small)
    return Characters(tuple(members), torch.from_numpy(images))


def _hostile(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}: it is not the official archive, get that one")
