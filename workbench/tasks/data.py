"""Where data sets lie on this machine, how to get those that are missing, and their cards.

A file is looked for in the folder that the environment variable WORKBENCH_DATA names, then in
the cache. Nothing is ever downloaded unasked: `fetch` does it, and shows source and licence.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError, nearest
from workbench.resources import cache_folder, resources


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, by its path inside the data folder."""

    path: str
    url: str
    checksum: str  # of the official file, as `algorithm:digits`; empty where none is known
    contents: str

    @property
    def short(self) -> str:
        """The path inside the set's own folder."""
        return self.path.partition("/")[2] or self.path


@dataclass(frozen=True)
class Card:
    """What a data set is, whose it is, and which files it consists of (none: it is built in)."""

    name: str
    title: str
    licence: str
    source: str
    citation: str
    files: tuple[DataFile, ...] = ()


def card(name: str) -> Card:
    """The card of a data set.

    >>> card("omniglot").licence
    'MIT'
    """
    path = resources("data") / f"{name}.toml"
    if name not in cards():
        raise UserError(f"there is no data set '{name}': {nearest(name, cards())}")
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    files = tuple(DataFile(**file) for file in fields.pop("files", []))
    return Card(name=name, files=files, **fields)


def cards() -> list[str]:
    """The names of all data sets that have a card."""
    return sorted(path.stem for path in resources("data").glob("*.toml"))


def folders() -> list[Path]:
    """The folders that are searched for data, in order."""
    named = os.environ.get("WORKBENCH_DATA")
    return [*([Path(named)] if named else []), cache_folder()]


def locate(path: str) -> Path | None:
    """A data file on this machine, or None."""
    return next((folder / path for folder in folders() if (folder / path).is_file()), None)


def require(name: str, path: str, hint: str = "") -> Path:
    """A data file on this machine; a missing one is refused with the way to get it."""
    found = locate(path)
    if found is None:
        raise UserError(f"{name} needs {path}, which is not here: {cure(name)}{hint}")
    return found


def cure(name: str) -> str:
    """How to get a data set, in one line."""
    paths = [file.path for file in card(name).files]
    named = " and ".join(paths) if len(paths) < 4 else f"{paths[0]} and {len(paths) - 1} more files"
    return (
        f"run `workbench data fetch {name}`, or `workbench data fetch {name} --from DIR` with a "
        f"folder that has its files, or set WORKBENCH_DATA to a folder with {named} in it"
    )


def describe() -> list[dict[str, str]]:
    """Every data set: name, title, licence, source, where it is, and how to get what is missing."""
    rows = []
    for name in cards():
        about = card(name)
        found = [locate(file.path) for file in about.files]
        if not found:
            place = "built in"
        else:
            place = "; ".join(
                f"{file.short}: {at or 'missing'}"
                for file, at in zip(about.files, found, strict=True)
            )
        rows.append(
            {
                "name": name,
                "title": about.title,
                "licence": about.licence,
                "source": about.source,
                "where": place,
                "get": cure(name) if None in found else "",
            }
        )
    return rows


def fetch(
    name: str,
    source: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Puts a data set's files in the cache: downloaded, or copied from a folder.

    A download must have the official checksum; a local file is judged by its contents.
    From a folder whatever files it has are taken, if there is at least one.
    """
    about = card(name)
    say(f"{about.title}\nsource: {about.source}\nlicence: {about.licence}")
    if not about.files:
        say("built in: nothing to fetch")
        return []
    if source is None:
        return [_download(name, file, say) for file in about.files]
    found = {}
    for file in about.files:
        choices = (source / file.path, source / file.short)
        local = next((path for path in choices if path.is_file()), None)
        if local is None:
            say(f"{file.short}: not in {source}")
            continue
        _judge(name, local)  # all of them, before any is copied
        found[file] = local
    taken = []
    for file, local in found.items():
        target = cache_folder() / file.path
        if local.resolve() != target.resolve():
            try:
                with safe_write(target) as part:
                    shutil.copyfile(local, part)
            except OSError as error:
                raise UserError(
                    f"{target} could not be written ({error.strerror}): see to the disk's space "
                    "and permissions"
                ) from error
        say(f"{file.short}: {file.contents}; copied from {local}")
        taken.append(target)
    if not taken:
        wanted = " or ".join(file.short for file in about.files[:2])
        raise UserError(f"{source} has no {wanted}: name the folder that holds the files of {name}")
    return taken


def _judge(name: str, path: Path) -> None:
    if name == "omniglot":
        from workbench.tasks.archive import read_archive

        read_archive(path)
    elif name in ("clinc150", "afrisenti"):
        from workbench.tasks.text_files import read_intents, read_tweets

        (read_intents if name == "clinc150" else read_tweets)(path)
    elif name == "heart":
        from workbench.tasks.medicine_files import read_hospital

        read_hospital(path)
    elif name == "movielens":
        from workbench.tasks.taste_files import read_films, read_ratings

        (read_films if path.name == "movies.csv" else read_ratings)(path)


def _download(name: str, file: DataFile, say: Callable[[str], None]) -> Path:
    import pooch

    target = cache_folder() / file.path
    say(f"{file.short}: {file.url} ({file.checksum or 'judged by its contents'})")
    try:
        if not file.checksum:
            with safe_write(target) as part:
                pooch.retrieve(file.url, known_hash=None, path=part.parent, fname=part.name)
                _judge(name, part)
            return target
        # pooch writes to a temporary name, checks, and moves into place
        got = pooch.retrieve(
            file.url, known_hash=file.checksum, path=target.parent, fname=target.name
        )
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{file.url} did not have the checksum {file.checksum}: try again later, or give the "
            "file with --from"
        ) from error
    except OSError as error:
        raise UserError(
            f"{file.url} could not be downloaded ({error}): get it by other means and give its "
            "folder with --from"
        ) from error
    return Path(got)


@contextmanager
def safe_write(target: Path) -> Iterator[Path]:
    """A temporary path beside the target that takes its name only when all has been written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
