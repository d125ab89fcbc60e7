"""Settings say once what they may be: checks, controls and help follow."""

from __future__ import annotations

import dataclasses
import json
import linecache
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

import workbench.algorithms
import workbench.models
from workbench.algorithms import MAMLSettings, ReptileSettings
from workbench.comments import help_of
from workbench.errors import UserError
from workbench.fields import Range, check_fields, describe, with_values
from workbench.innerloop import InnerOptimizer
from workbench.models import MLPSettings
from workbench.tasks import Shape
from workbench.training import Experiment, TrainingSettings, preset, presets

SETTINGS: list[type] = [InnerOptimizer, Shape, TrainingSettings, Experiment] + [
    getattr(package, name)
    for package in (workbench.algorithms, workbench.models)
    for name in package.__all__
    if name.endswith("Settings") and isinstance(getattr(package, name), type)
]


@dataclass(frozen=True)
class Everything:
    """One field of every kind."""

    # how many
    # there are
    count: Annotated[int, Range(1, 9)] = 3
    rate: Annotated[float, Range(above=0, span=(1e-3, 1), log=True)] = 0.1  # how fast
    part: Annotated[float, Range(0, below=1)] = 0.5  # how much
    most: Annotated[float | None, Range(above=0)] = None  # a limit, if any
    kind: Literal["a", "b"] = "a"  # which
    on: bool = False  # whether
    seed: int = 0  # of what
    words: str = "none"  # said
    widths: Annotated[tuple[int, ...], Range(1)] = (4, 4)  # of layers
    options: dict[str, float] = dataclasses.field(default_factory=dict)  # more
    shape: Shape = dataclasses.field(default_factory=lambda: Shape(2, 1, 3))
    optimizer: InnerOptimizer = InnerOptimizer("adam")

    def __post_init__(self) -> None:
        check_fields(self, "all")


def controls(settings: Any) -> dict[str, dict[str, Any]]:
    return {control["name"]: control for control in describe(settings)}


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_every_field_says_what_it_changes(cls: type) -> None:
    said = {f.name: help_of(cls, f.name) for f in dataclasses.fields(cls)}
    for name, text in said.items():
        assert len(text.split()) >= 2, f"{cls.__name__}.{name} says '{text}'"
        assert text.lower() != name.replace("_", " ")
    assert len(set(said.values())) == len(said), "two fields say the same"


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_every_number_of_a_settings_class_has_its_range(cls: type) -> None:
    if cls is Experiment:
        settings: Any = preset("sinusoid-maml")
    else:
        settings = cls()
    for control in describe(settings):
        if control["type"] in ("integer", "number", "rate"):
            assert control["minimum"] is not None, control["name"]
            low, high = control["span"]
            assert control["minimum"] <= low < high, control["name"]
            assert control["maximum"] is None or high <= control["maximum"]


@pytest.mark.parametrize("name", presets())
def test_what_a_form_shows_makes_the_same_settings_again(name: str) -> None:
    experiment = preset(name)
    form = json.loads(json.dumps(describe(experiment), allow_nan=False))
    assert with_values(experiment, {c["name"]: c["value"] for c in form}) == experiment
    assert len({c["name"] for c in form}) == len(form)


def test_what_a_form_says_becomes_the_settings() -> None:
    said = {
        "count": 4.0,
        "rate": 1,
        "most": 2,
        "kind": "b",
        "on": True,
        "seed": 5,
        "widths": "8, 16 32",
        "options": "momentum=0.9 nesterov=1",
        "shape.ways": [2, 5],
        "shape.shots": "3",
        "optimizer.beta1": 0,
    }
    changed = with_values(Everything(), json.loads(json.dumps(said)))
    assert changed == Everything(
        count=4,
        rate=1.0,
        most=2.0,
        kind="b",
        on=True,
        seed=5,
        widths=(8, 16, 32),
        options={"momentum": 0.9, "nesterov": 1},
        shape=Shape((2, 5), 3, 3),
        optimizer=InnerOptimizer("adam", beta1=0.0),
    )
    assert isinstance(changed.count, int)
    assert isinstance(changed.rate, float)
    assert controls(changed)["shape.ways"]["value"] == "2 5"
    assert with_values(changed, {"most": None}).most is None


def test_controls_of_every_kind() -> None:
    found = controls(Everything())
    kinds = "integer rate number number choice boolean seed text text text"
    assert [c["type"] for c in found.values()][:10] == kinds.split()
    assert found["count"]["help"] == "how many there are"
    assert (found["count"]["minimum"], found["count"]["maximum"]) == (1, 9)
    assert (found["rate"]["span"], found["part"]["span"]) == ([1e-3, 1], [0, 1])
    assert found["kind"]["choices"] == ["a", "b"]
    assert found["most"]["optional"]
    assert found["optimizer.beta1"]["label"] == "beta1"
    assert found["shape.queries"]["help"] == "query examples a class"


def test_defaults_are_those_of_the_settings_around_them() -> None:
    adam = ReptileSettings(optimizer=InnerOptimizer("adam", beta1=0.5))
    assert controls(adam)["optimizer.beta1"]["default"] == 0
    assert controls(MAMLSettings(inner_rate=1.0))["inner_rate"]["default"] == 0.01
    base = MAMLSettings(inner_rate=0.4)
    (first, *_) = describe(dataclasses.replace(base, inner_rate=1.0), default=base)
    assert (first["value"], first["default"]) == (1.0, 0.4)


def test_what_changes_nothing_has_no_control() -> None:
    def of(kind: str) -> set[str]:
        return {*controls(InnerOptimizer(kind))} - {"kind", "weight_decay"}  # type: ignore[arg-type]

    assert of("sgd") == {"momentum"}
    assert of("adam") == of("adamw") == {"beta1", "beta2", "eps"}
    assert of("rmsprop") == {"alpha", "eps"}
    assert "truncate" not in controls(MAMLSettings())
    assert "truncate" in controls(MAMLSettings(order="truncated"))
    constant, halved = TrainingSettings(), TrainingSettings(schedule="halve")
    assert not {"halvings", "schedule_options"} & {*controls(constant)}
    assert "halvings" in controls(halved)
    stepped = TrainingSettings(schedule="StepLR", schedule_options={"step_size": 5})
    assert controls(stepped)["schedule_options"]["value"] == "step_size=5"


def test_names_are_chosen_from_a_list() -> None:
    found = controls(preset("sinusoid-maml"))
    for name in ("training.optimizer", "training.schedule", "device"):
        assert found[name]["type"] == "choice", name
    assert {"Adam", "SGD"} <= {*found["training.optimizer"]["choices"]}
    for name in found["training.optimizer"]["choices"]:
        TrainingSettings(optimizer=name)
    for name in found["training.schedule"]["choices"]:
        TrainingSettings(schedule=name)
    assert found["device"]["choices"][0] == "cpu"
    own = controls(TrainingSettings(optimizer="adam"))["optimizer"]["choices"]
    assert own[0] == "adam"  # what is not in the list stands first


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Everything(count=0), "all.count is 0: it must lie between 1 and 9"),
        (lambda: Everything(count=True), "all.count is True: it must be a whole number"),
        (lambda: Everything(part=1.0), "it must be at least 0 and below 1"),
        (lambda: Everything(most=0.0), "all.most is 0.0: it must be above 0, or none"),
        (lambda: Everything(most="2"), "must be a finite number, or none"),  # type: ignore[arg-type]
        (lambda: Everything(on=1), "all.on is 1: it must be true or false"),  # type: ignore[arg-type]
        (lambda: Everything(words=3), "it must be text"),  # type: ignore[arg-type]
        (lambda: Everything(widths=(4, 0)), "of its numbers each: it must be at least 1"),
        (lambda: Shape((5, 2)), r"ways is \(5, 2\): put the smaller number first"),
        (lambda: Shape(queries=-1), "queries is -1: it cannot be negative"),
        (lambda: MLPSettings(hidden=(2.5,)), "must be whole numbers"),  # type: ignore[arg-type]
        (lambda: with_values(MAMLSettings(), {"inner_rat": 1}), "did you mean 'inner_rate'"),
        (lambda: with_values(MAMLSettings(), {"optimizer": 1}), "no setting 'optimizer'"),
        (lambda: with_values(MAMLSettings(), {"optimizer.beta1": 2}), "beta1 is 2.0: it must be"),
        (lambda: with_values(MAMLSettings(), {"train_steps": 1.5}), "must be a whole number"),
        (lambda: with_values(MLPSettings(), {"hidden": "4 wide"}), "must be whole numbers"),
        (lambda: with_values(MAMLSettings(), {"clip": None}), "must be a finite number"),
    ],
)
def test_what_a_field_may_not_be_is_a_sentence(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_help_is_found_where_a_class_has_no_file() -> None:
    """As in a notebook, whose cells live in `linecache` only."""
    cell = (
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    '''Mine.'''\n"
        "    size: float = 1.0  # how big it gets\n"
        "    def build(self, model, spec): ...\n"
    )
    linecache.cache["<cell 7>"] = (len(cell), None, cell.splitlines(True), "<cell 7>")
    space: dict[str, Any] = {"__name__": "__nowhere__"}
    exec(compile(cell, "<cell 7>", "exec", dont_inherit=True), space)
    assert help_of(space["Mine"], "size") == "how big it gets"
    assert help_of(space["Mine"], "nothing") == ""
