"""Settings: a dataclass field says once what it may be; checks, forms and help follow from it.

A field is `inner_rate: Annotated[float, Range(0, span=(1e-4, 1), log=True)] = 0.01  # its help`.
`check_fields` refuses what the annotation excludes, `describe` makes a control of it, and
`with_values` takes back what the control says. A setting marked `Live` is followed at once by an
adaptation, also of a trained learner; every other one is initial: only a new training follows it.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict, TypeVar

from workbench.comments import help_of
from workbench.errors import UserError, nearest
from workbench.hints import arms_of, described, from_form, hints_of, numbers_in

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """What a number may be; for a tuple, each number in it.

    least, most   the bounds, themselves allowed
    above, below  the bounds, themselves excluded
    span          what a slider offers of it; by default from bound to bound
    log           a slider goes by factors

    >>> Range(0, below=1).complaint(1.0)
    'it must be at least 0 and below 1'
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    span: tuple[float, float] | None = None
    log: bool = False

    def complaint(self, number: float) -> str:
        """Why the number is out of range; empty where it is not."""
        low = self.least is None or number >= self.least
        high = self.most is None or number <= self.most
        inside = (self.above is None or number > self.above) and (
            self.below is None or number < self.below
        )
        if low and high and inside:
            return ""
        if self == Range(0, span=self.span, log=self.log):
            return "it cannot be negative"
        if self.least is not None and self.most is not None:
            return f"it must lie between {self.least} and {self.most}"
        words = {
            "at least": self.least,
            "above": self.above,
            "at most": self.most,
            "below": self.below,
        }
        return "it must be " + " and ".join(f"{w} {n}" for w, n in words.items() if n is not None)


@dataclass(frozen=True)
class Live:
    """Marks a setting that an adaptation follows at once; no parameter is made of it.

    moves  whether it says where a step goes; else how many there are, how they are differentiated,
           or at what cost
    when   of what was built of the settings, whether the setting changes anything there

    >>> @dataclass(frozen=True)
    ... class Mine:
    ...     rate: typing.Annotated[float, Range(0), Live()] = 0.1  # size of a step
    ...     width: int = 40  # of a layer
    >>> list(live_fields(Mine))
    ['rate']
    """

    moves: bool = True
    when: Callable[[Any], bool] = lambda built: True


@dataclass(frozen=True)
class When:
    """Marks a setting that changes anything only where this holds of the settings it is in."""

    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Among:
    """Marks a text that is one of these names, as far as they are known: a form lists them."""

    names: Callable[[], Sequence[str]]


def live_fields(cls: type) -> dict[str, Live]:
    """The live settings of a class, by name."""
    return {typed.field.name: typed.live for typed in _typed(cls) if typed.live is not None}


@dataclass(frozen=True)
class _Typed:
    """A field's type, without `Annotated` and without None."""

    field: dataclasses.Field[Any]
    hint: Any
    optional: bool
    range: Range
    live: Live | None
    when: When | None
    among: Among | None


@functools.cache
def _typed(cls: Any) -> tuple[_Typed, ...]:
    hints = hints_of(cls, extras=True)
    found = []
    for field in dataclasses.fields(cls):
        hint: Any = hints[field.name]
        extras: list[Any] = []
        if typing.get_origin(hint) is typing.Annotated:
            hint, *extras = typing.get_args(hint)
        arms = arms_of(hint)
        optional = type(None) in arms
        if optional:
            hint = typing.Union[tuple(arm for arm in arms if arm is not type(None))]  # noqa: UP007
        marks: dict[type, Any] = {type(extra): extra for extra in reversed(extras)}
        marked = [marks.get(kind) for kind in (Live, When, Among)]
        found.append(_Typed(field, hint, optional, marks.get(Range, Range()), *marked))
    return tuple(found)


# ---- refusing ---------------------------------------------------------------------------------


def check_fields(settings: Any, where: str) -> None:
    """Refuses a value of the wrong type, a choice that there is not, a number out of its range.

    `where` names the settings in the sentence, as in `learner.order`; it may be empty.

    >>> from workbench.algorithms import MAMLSettings
    >>> MAMLSettings(order="frist")
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: learner.order is 'frist': did you mean 'first'?
    """
    for typed in _typed(settings.__class__):
        value = getattr(settings, typed.field.name)
        if value is None and typed.optional:
            continue
        complaint = _complaint(typed.hint, value, typed.range)
        if complaint:
            name = f"{where}.{typed.field.name}".lstrip(".")
            none = ", or none" if typed.optional else ""
            raise UserError(f"{name} is {value!r}: {complaint}{none}")


def _complaint(hint: Any, value: Any, limits: Range) -> str:
    """What is wrong with a value; empty where nothing is."""
    if typing.get_origin(hint) is typing.Literal:
        choices = list(typing.get_args(hint))
        return "" if value in choices else nearest(str(value), choices)
    numbers = None
    for arm in arms_of(hint):
        if numbers is None:
            numbers = numbers_in(arm, value)
    if numbers is None:
        return "it must be " + described(hint)
    if any(isinstance(n, int) and not -(2**63) <= n < 2**63 for n in numbers):
        return "it must be a whole number of at most 63 bits"
    each = "of its numbers each: " if not isinstance(value, int | float) else ""
    complaint = next(filter(None, map(limits.complaint, numbers)), "")
    return each + complaint if complaint else ""


# ---- controls ---------------------------------------------------------------------------------


Value = int | float | str | bool | None  # what a control holds
# A rate is a number that a slider moves by factors.
ControlType = Literal["integer", "number", "rate", "choice", "boolean", "seed", "text"]


class Field(TypedDict):
    """The control of a field, as plain data."""

    name: str  # dotted in nested settings
    label: str
    help: str  # what changes when it goes up
    type: ControlType
    value: Value  # numbers of a tuple as '40 40', of a mapping as 'momentum=0.9'
    default: Value
    minimum: float | None
    maximum: float | None
    span: list[float] | None  # the ends of its slider
    choices: list[str | int] | None
    free: NotRequired[str]  # an example of what else may be typed, where anything may
    optional: bool  # whether the value may be left open


def describe(settings: Any, default: Any = None) -> list[Field]:
    """A control for every field; its default is that of the class, or of `default`, settings to
    start from.

    >>> from workbench.innerloop import InnerOptimizer
    >>> [(c["name"], c["type"], c["value"]) for c in describe(InnerOptimizer())][:2]
    [('kind', 'choice', 'sgd'), ('momentum', 'number', 0.0)]
    """
    controls: list[Field] = []
    for typed in _typed(settings.__class__):
        name, value = typed.field.name, getattr(settings, typed.field.name)
        start = _default(typed.field, value) if default is None else getattr(default, name)
        if dataclasses.is_dataclass(value):
            given = default is not None or start is not value
            same = given and type(start) is type(value)
            for inner in describe(value, start if same else None):
                controls.append({**inner, "name": f"{name}.{inner['name']}"})
            continue
        kind = _kind(typed, value)
        if kind is None or (typed.when is not None and not typed.when.holds(settings)):
            continue
        limits = typed.range
        low = limits.above if limits.least is None else limits.least
        high = limits.below if limits.most is None else limits.most
        numeric = kind in ("integer", "number", "rate", "seed")
        bounded = None if low is None or high is None or kind == "seed" else (low, high)
        span = limits.span or bounded
        controls.append(
            {
                "name": name,
                "label": name.replace("_", " "),
                "help": help_of(settings.__class__, name),
                "type": kind,
                "value": _shown(value),
                "default": _shown(start),
                "minimum": low if numeric else None,
                "maximum": high if numeric else None,
                "span": list(span) if span and numeric else None,
                "choices": _choices(typed, value) if kind == "choice" else None,
                "optional": typed.optional,
            }
        )
    return controls


def _default(field: dataclasses.Field[Any], value: Any) -> Any:
    """The field's default; what it has now where the class gives none."""
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return value


def _kind(typed: _Typed, value: Any) -> ControlType | None:
    """Which control shows the field; None where no control can."""
    if typing.get_origin(typed.hint) is typing.Literal or typed.among is not None:
        return "choice"
    arms = arms_of(typed.hint)
    if bool in arms:
        return "boolean"
    if int in arms and not isinstance(value, tuple | list):
        return "seed" if typed.field.name == "seed" else "integer"
    if float in arms:
        return "rate" if typed.range.log else "number"
    if str in arms or any(typing.get_origin(arm) in (tuple, dict) for arm in arms):
        return "text"
    return None


def _choices(typed: _Typed, value: Any) -> list[str | int]:
    """What there is to choose; a name that is not known stands first."""
    among = typed.among
    known: list[str | int] = [*(among.names() if among else typing.get_args(typed.hint))]
    return known if value in known else [value, *known]


def _shown(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name}={number}" for name, number in value.items())
    return value


def with_values(settings: T, values: Mapping[str, Any]) -> T:
    """The settings with other values under the names of `describe`, refused where they are wrong.

    >>> from workbench.algorithms import MAMLSettings
    >>> with_values(MAMLSettings(), {"inner_rate": 1, "optimizer.momentum": 0.9}).optimizer.momentum
    0.9
    """
    cls: Any = type(settings)
    known = {typed.field.name: typed for typed in _typed(cls)}
    below: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for dotted, value in values.items():
        name, _, rest = dotted.partition(".")
        if name not in known or bool(rest) != dataclasses.is_dataclass(getattr(settings, name)):
            names = [control["name"] for control in describe(settings)]
            raise UserError(f"there is no setting '{dotted}': {nearest(dotted, names)}")
        if rest:
            below.setdefault(name, {})[rest] = value
        else:
            changes[name] = from_form(known[name].hint, value)
    for name, inner in below.items():
        changes[name] = with_values(getattr(settings, name), inner)
    changed: T = dataclasses.replace(settings, **changes)  # type: ignore[type-var]
    return changed
