"""Your own data as they come: arrays, a table, a folder of images, a Dataset, all as `Rows`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.files import LARGEST
from workbench.tasks.base import SPLITS, Split

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_GREY, _COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True, eq=False)
class Rows:
    """Examples one after the other, each with what is said of it.

    x        [example, *shape], of bytes where they are images, whole where tokens; else floats
    said     a value an example for each of 'classes', 'task' and 'target' that was named
    splits   the classes of each split, where a folder says so itself
    """

    x: Tensor
    said: Mapping[str, Any]
    splits: Mapping[Split, Sequence[str]] | None = None


def read(
    data: Any,
    columns: Mapping[str, Any],
    inputs: Sequence[str] | None,
    size: int,
    tokens: bool = False,
) -> Rows:
    """What there is in the data.

    columns   what was given as 'classes', 'task' and 'target': a table's column, or the values
    inputs    the columns of a table that are inputs; None is all others
    size      of a folder's images, in pixels
    tokens    inputs are whole numbers and stay so
    """
    columns = {name: given for name, given in columns.items() if given is not None}
    path = Path(data) if isinstance(data, str | Path) else None
    if path is not None and path.is_dir():
        if tokens:
            raise UserError(f"{path} is a folder of images, which are no tokens: leave tokens out")
        return _folder(path, columns, size)
    if path is not None:
        return _table(_csv(path), columns, inputs, str(path), tokens)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _table(data, columns, inputs, "the table", tokens)
    if inputs is not None:
        raise UserError("columns are of a table, and the data are none: leave columns out")
    for name, given in columns.items():
        if isinstance(given, str):
            raise UserError(
                f"{name} is '{given}', which would be a table's column, and the data are "
                f"{type(data).__name__}: give one value an example"
            )
    if isinstance(data, Tensor) or hasattr(data, "__array__") or isinstance(data, list | tuple):
        return Rows(numbers(data, "the data", tokens), columns)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return _dataset(data, columns, tokens)
    raise UserError(
        f"tasks cannot be made from a {type(data).__name__}: give an array, a tensor, a pandas "
        "table, a folder of images, or a Dataset with a length"
    )


def numbers(data: Any, where: str, tokens: bool = False) -> Tensor:
    """An array as examples `[example, *shape]`: images stay bytes, tokens whole numbers, and all
    else becomes floats."""
    import numpy as np

    if isinstance(data, list | tuple) and any(isinstance(one, Tensor) for one in data):
        data = [np.asarray(one.detach().cpu() if isinstance(one, Tensor) else one) for one in data]
    if isinstance(data, Tensor):
        x = data.detach().cpu().clone()  # its own, whatever is done to the array later
    else:
        try:
            array = np.asarray(data)
        except ValueError:  # lists of unequal lengths
            raise UserError(f"{where} are of unequal sizes: bring all to one shape") from None
        if array.dtype.kind not in "fiub":
            raise UserError(
                f"{where} hold {array.dtype} and no numbers: turn them into numbers of one shape"
            )
        x = torch.from_numpy(np.array(_native(array)))
    if x.is_complex() or x.dim() == 0 or not x.numel():
        raise UserError(f"{where} are {list(x.shape)} of {x.dtype}: give real [example, …]")
    if tokens:
        if x.is_floating_point():
            raise UserError(
                f"{where} hold {x.dtype} and tokens are whole numbers: give integers, or leave "
                "tokens out"
            )
        return x.long().unsqueeze(-1) if x.dim() == 1 else x.long()
    if x.dtype == torch.uint8 and x.dim() >= 3:
        return _channels_first(x.unsqueeze(1) if x.dim() == 3 else x)
    x = x.to(torch.get_default_dtype())
    return _channels_first(x.unsqueeze(-1) if x.dim() == 1 else x)


def _native(array: Any) -> Any:
    """The array with numbers that torch knows: it has few unsigned ones, and one order of bytes."""
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype("int64")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _channels_first(x: Tensor) -> Tensor:
    """Images [example, channel, height, width], also where the channels came last."""
    last = x.dim() == 4 and x.shape[-1] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)
    return x.permute(0, 3, 1, 2).contiguous() if last else x


def _csv(path: Path) -> Any:
    import pandas as pd

    if not path.exists():
        raise UserError(f"there is no folder or table {path}: check its name")
    if path.suffix.lower() != ".csv":
        raise UserError(f"{path} is no folder and no .csv file: give one of these")
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' errors of parsing are ValueErrors
        line = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a table ({line}): mend it") from error


def _table(
    frame: Any,
    columns: Mapping[str, Any],
    inputs: Sequence[str] | None,
    where: str,
    tokens: bool,
) -> Rows:
    known, said = [str(name) for name in frame.columns], {}
    if not len(frame):
        raise UserError(f"{where} has no rows: give one with an example a row")
    for name in [*(c for c in columns.values() if isinstance(c, str)), *(inputs or ())]:
        if name not in known:
            raise UserError(f"{where} has no column '{name}': {nearest(name, known)}")
    for name, given in columns.items():
        said[name] = frame[given] if isinstance(given, str) else given
    taken = {c for c in columns.values() if isinstance(c, str)}
    if inputs is None:
        inputs = [name for name in frame.columns if str(name) not in taken]
    both = [name for name in inputs if name in taken]
    if both or not len(inputs):
        what = f"names the column '{both[0]}' as an input too" if both else "has no other column"
        raise UserError(f"{where} {what}: inputs are columns beside those of class, task or target")
    for name in inputs:
        kind = frame[name].dtype.kind
        if kind not in "fiub":
            raise UserError(
                f"the column '{name}' of {where} holds no numbers: leave it out by columns=, or "
                "make numbers of it (pandas.get_dummies)"
            )
    for name in [*inputs, *taken]:
        gaps = int(frame[name].isna().sum())
        if gaps:
            raise UserError(
                f"the column '{name}' of {where} lacks {gaps} of {len(frame)} values: drop those "
                "rows or fill them"
            )
    found = frame[list(inputs)]
    whole = tokens and all(frame[name].dtype.kind in "iub" for name in inputs)
    x = found.to_numpy(dtype="int64" if whole else "float64")
    return Rows(numbers(x, where, tokens), said)


def _dataset(data: Any, columns: Mapping[str, Any], tokens: bool) -> Rows:
    """All items of a Dataset, in memory; each is (input, label), or the input where labels are
    given."""
    count = len(data)
    inputs: list[Any] = []
    labels: list[Any] = []
    if not count:
        raise UserError(f"the {type(data).__name__} is empty: give one with items")
    for place in range(count):
        item = data[place]
        pair = isinstance(item, tuple | list) and len(item) == 2
        if not pair and not columns:
            raise UserError(
                f"item {place} of the {type(data).__name__} is no pair (input, label): let it be "
                "one, or give classes"
            )
        x = _item(item[0] if pair else item)
        if not place:
            _check_room(count * x.nbytes, type(data).__name__)
        elif x.shape != inputs[0].shape:
            raise UserError(
                f"item {place} of the {type(data).__name__} is {list(x.shape)} and the first is "
                f"{list(inputs[0].shape)}: bring all to one shape"
            )
        inputs.append(x)
        labels.append(item[1] if pair else None)
    name = "target" if "task" in columns else "classes"
    known = {"classes", "target"} & set(columns)
    x = numbers(inputs, "the items", tokens)
    return Rows(x, {**columns, **({} if known else {name: labels})})


def _item(x: Any) -> Any:
    import numpy as np

    return np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)


def _folder(path: Path, columns: Mapping[str, Any], size: int) -> Rows:
    """Images, a folder a class; those may lie in folders named after the splits."""
    import numpy as np

    if columns:
        raise UserError(f"{path} is a folder, whose classes are its folders: leave the names out")
    if not isinstance(size, int) or not 1 <= size <= 4096:
        raise UserError(f"size is {size!r}: give the pixels of a side, from 1 to 4096")
    divided = [split for split in SPLITS if (path / split).is_dir()]
    classes: list[str] = []
    files: list[Path] = []
    splits: dict[Split, list[str]] = {split: [] for split in divided}
    for split, folder in _class_folders(path, divided):
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGES and p.is_file())
        if not found:
            raise UserError(f"{folder} has no images: take it away, or put images in it")
        if split is not None:
            if any(folder.name in names for names in splits.values()):
                raise UserError(
                    f"the class '{folder.name}' of {path} is in two splits: keep it in one of them"
                )
            splits[split].append(folder.name)
        files += found
        classes += [folder.name] * len(found)
    if not files:
        raise UserError(f"{path} has no folders of images: make one folder for each class")
    colour = "RGB" in [_mode(file) for file in files]
    channels = 3 if colour else 1
    _check_room(len(files) * channels * size * size, str(path))
    images = np.empty((len(files), channels, size, size), np.uint8)
    for row, file in enumerate(files):
        images[row] = _pixels(file, "RGB" if colour else "L", size)
    return Rows(torch.from_numpy(images), {"classes": classes}, splits or None)


def _class_folders(path: Path, divided: Sequence[Split]) -> Iterator[tuple[Split | None, Path]]:
    places: dict[Split | None, Path] = {split: path / split for split in divided}
    for split, place in (places or {None: path}).items():
        for folder in sorted(place.iterdir()):
            if folder.is_dir() and not folder.name.startswith((".", "__")):
                yield split, folder


def _mode(file: Path) -> str:
    """What its pixels become: grey levels, or colours."""
    from PIL import Image

    with _decoding(file), Image.open(file) as image:
        mode = image.mode
    if mode not in (*_GREY, *_COLOUR):
        raise UserError(f"{file} is an image of the unusual kind {mode}: save it with 8 bits")
    return "RGB" if mode in _COLOUR else "L"


def _pixels(file: Path, mode: str, size: int) -> Any:
    import numpy as np
    from PIL import Image

    with _decoding(file), Image.open(file) as image:
        small = image.convert(mode).resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


class _decoding:
    """Turns the failures of reading an image into a sentence."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from PIL import Image

        broken = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
        if isinstance(error, broken) and not isinstance(error, UserError):
            raise UserError(f"{self.file} is a broken image: mend it or take it away") from error


def _check_room(size: float, where: str) -> None:
    if size > LARGEST:
        raise UserError(
            f"{where} would take {size / 2**30:.1f} GiB, more than a quarter of this machine's "
            "memory: give smaller or fewer examples"
        )


def words(values: Any, what: str, count: int) -> list[str]:
    """One name an example, of whole numbers, words or truth values; gaps are refused."""
    found = []
    plain = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(plain) != count:
        raise UserError(
            f"there are {count} examples and {len(plain)} values of {what}: give one each"
        )
    for place, value in enumerate(plain):
        value = value.item() if hasattr(value, "item") and math.prod(value.shape) == 1 else value
        if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
            raise UserError(
                f"{what} of example {place} is missing: leave the example out, or say it"
            )
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int | str):
            raise UserError(
                f"{what} of example {place} is {str(value)[:40]}: give whole numbers or words, one "
                "an example"
            )
        found.append(str(value))
    return found
