"""Tables of patients and pictures with patches out, by name; options say what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from workbench.tasks.base import Tasks

# Opening imports only what the family needs: scikit-learn and Pillow are slow to load.


def _lacking(below: Any, options: list[str]) -> Tasks:
    """The tasks, or what options leave of their values."""
    from workbench.tasks.missing import Lack, Missing, RowForm

    if not options:
        tasks: Tasks = below
        return tasks
    scheme = "/".join([below.scheme, *options])
    return Missing(below, RowForm(below), Lack.of(options, below.name), scheme)


def _heart(options: list[str]) -> Tasks:
    from workbench.tasks.families.heart import open_heart
    from workbench.tasks.missing import FILLS, WAYS

    rest = [o for o in options if o.partition("-")[0] in (*WAYS, *FILLS)]
    return _lacking(open_heart([o for o in options if o not in rest]), rest)


def _clinic(scheme: str, options: list[str]) -> Tasks:
    from workbench.tasks.families.clinic import open_clinic

    return _lacking(open_clinic(scheme), options)


def _given(name: str, options: list[str]) -> Tasks:
    from workbench.tasks.families import given_tables

    opened = (
        given_tables.open_breast_cancer if name == "breast-cancer" else given_tables.open_diabetes
    )
    return _lacking(opened(), options)


def digits_with_gaps(options: list[str]) -> Tasks:
    """Digits with patches of two by two pixels out; without options none is."""
    from workbench.tasks.families.digits import open_digits
    from workbench.tasks.missing import Lack, Missing, PatchForm

    scheme = "/".join(["patches", *options])
    return Missing(open_digits(), PatchForm(8, 2), Lack.of(options, "digits"), scheme)


TABLED: Mapping[str, Mapping[str, Callable[[list[str]], Tasks]]] = {
    "heart": {"leave-out": _heart},
    "clinic": {scheme: partial(_clinic, scheme) for scheme in ("present", "which")},
    "breast-cancer": {"patients": partial(_given, "breast-cancer")},
    "diabetes": {"patients": partial(_given, "diabetes")},
}
