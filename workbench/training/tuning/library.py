"""What of Optuna a study uses: its storage in one file, its samplers and its pruners.

The storage is Optuna's journal, guarded by the system's file locks, which a killed process gives
back. A sampler is made anew for every trial, from the study's seed and the trial's number: what it
draws is then the same whether or not the study was interrupted before.
"""

from __future__ import annotations

import fcntl
import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from workbench.errors import UserError, nearest
from workbench.files import holding, writing
from workbench.randomness import spawn

_SAMPLING = 11  # the stream of a study's seed that samplers draw from
# Those that take lists of values, other samplers or pruners, or thresholds, to be made.
_UNFIT = ("base", "bruteforce", "grid", "patient", "threshold", "wilcoxon")


def optuna() -> Any:
    """The library, silent but for warnings."""
    try:
        import optuna as found
    except ImportError:
        raise UserError(
            "tuning needs Optuna, which is missing: pip install 'metalearning-workbench[tune]'"
        ) from None
    found.logging.set_verbosity(found.logging.WARNING)
    return found


def samplers() -> list[str]:
    """The names of Optuna's samplers that need no option."""
    return sorted(_named(optuna().samplers, "Sampler"))


def pruners() -> list[str]:
    """The names of Optuna's pruners that need no option."""
    return sorted(_named(optuna().pruners, "Pruner"))


def _named(module: Any, ending: str) -> dict[str, type]:
    return {
        name.removesuffix(ending): cls
        for name, cls in vars(module).items()
        if isinstance(cls, type) and name.endswith(ending) and _plain(cls)
    }


def _plain(cls: type) -> bool:
    """Whether it can be made as it is, and seeks one measure among ranges."""
    if cls.__name__.lower().startswith(_UNFIT):
        return False
    return all(p.default is not p.empty for p in inspect.signature(cls).parameters.values())


def make_sampler(name: str, options: Mapping[str, Any], seed: int, number: int) -> Any:
    """The sampler of that name, in any case, for the trial of this number."""
    cls = _class(samplers(), optuna().samplers, name, "Sampler", "sampler")
    known = inspect.signature(cls).parameters
    # A quasi-random sequence is one for all trials, which have each a place in it.
    one = "qmc_type" in known
    given: dict[str, Any] = {"seed": spawn(seed, _SAMPLING, 0 if one else number) % 2**32}
    if "constant_liar" in known:  # do not look where another process is looking
        given["constant_liar"] = True
    return _made(cls, given | dict(options), "sampler")


def make_pruner(name: str, options: Mapping[str, Any]) -> Any:
    """The pruner of that name, in any case."""
    return _made(
        _class(pruners(), optuna().pruners, name, "Pruner", "pruner"), dict(options), "pruner"
    )


def _class(names: list[str], module: Any, name: str, ending: str, where: str) -> Any:
    own = {known.lower(): known for known in names}
    if name.lower() not in own:
        raise UserError(f"{where} is '{name}': {nearest(name, names)}")
    return getattr(module, own[name.lower()] + ending)


def _made(cls: Any, options: dict[str, Any], where: str) -> Any:
    known = inspect.signature(cls).parameters
    for name in options:
        if name not in known:
            raise UserError(f"{where}_options has '{name}': {nearest(name, list(known))}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is experimental is said by its documentation
            return cls(**options)
    except ImportError as error:
        raise UserError(
            f"Optuna's {cls.__name__} needs a package that is not installed ({error.name}): "
            f"pip install {error.name}, or choose another {where}"
        ) from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}_options do not fit {cls.__name__} ({error}): mend them") from None


class _Lock:
    """The journal's lock, as Optuna takes one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for it."""
        self._file = self.path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give it back."""
        assert self._file is not None
        self._file.close()


def open_storage(folder: Path) -> Any:
    """The storage in a folder; a last line that a kill cut short is taken away."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal, lock = folder / "journal.log", folder / "journal.lock"
    with holding(lock):
        content = journal.read_bytes() if journal.exists() else b""
        if content and not content.endswith(b"\n"):
            with writing(journal), journal.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=_Lock(lock)))  # type: ignore[arg-type]
