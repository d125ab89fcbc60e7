"""Omniglot from its official zips, in four published divisions of its classes.

Images are 28x28 with ink = 1. A class is named ALPHABET/characterNN; classes are sorted by name,
those of the background set before those of the evaluation set.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Literal

import torch

from workbench.errors import UserError, nearest
from workbench.randomness import permutation
from workbench.tasks import data
from workbench.tasks.archive import (
    DRAWERS,
    SIDE,
    Characters,
    Part,
    read_archive,
    read_bytes,
)
from workbench.tasks.base import Split
from workbench.tasks.families.unlabelled import without_labels
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

_FORMAT = "1"  # of the cached file; raise it when the way images are prepared changes

_SPLIT_SEED = 0
_VINYALS_VALIDATION = (
    "Armenian",
    "Bengali",
    "Early_Aramaic",
    "Hebrew",
    "Mkhedruli_(Georgian)",
)
OPTIONS = ("within-alphabet", "rotations-augment", "no-rotations", "warped", "unlabelled")


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
             warped                  each image of a training task turned, scaled, slanted and
                                     moved a little
             unlabelled              training images know no label: each is a class of its own,
                                     told apart by its warped copies
    By default a training character turned by 90°, 180° or 270° is a training class of its own,
    as in the papers. Validation and test characters are never turned.
    """
    for option in options:
        if option not in OPTIONS:
            raise UserError(f"omniglot has no option '{option}': {nearest(option, list(OPTIONS))}")
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
        counts=torch.full((len(names),), DRAWERS),
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
    tasks = FewShot(
        bank,
        {
            "train": ClassSplit.of(division["train"], turned),
            "validation": ClassSplit.of(division["validation"]),
            "test": ClassSplit.of(division["test"]),
        },
        name="omniglot",
        scheme="/".join([scheme, *sorted(set(options) - {"unlabelled"})]),
        within_groups="within-alphabet" in options,
        warped_training="warped" in options,
    )
    return without_labels(tasks) if "unlabelled" in options else tasks


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


def prepared(path: Path, part: Part) -> Characters:
    """An archive's characters, from the cache if this very file was read before."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    digest = hashlib.sha256(read_bytes(path)).hexdigest()
    cached = data.cache_folder() / "omniglot" / f"{part}-{digest[:16]}.safetensors"
    if cached.is_file():
        try:
            with safe_open(cached, framework="pt") as file:
                about = file.metadata() or {}
                if about.get("zip") == digest and about.get("format") == _FORMAT:
                    names, images = tuple(json.loads(about["names"])), file.get_tensor("images")
                    if images.shape == (len(names) * DRAWERS, 1, SIDE, SIDE):
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
