"""An experiment in the making: what the controls of the training panel stand at."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.fields import describe, with_values
from workbench.session.code import variable
from workbench.session.messages import Setting
from workbench.session.state import with_choice_of_tasks
from workbench.tasks import in_memory
from workbench.training import Experiment, preset

ITERATIONS = "training.iterations"

# What one changes most, shown first; the groups, in order, hold all.
FIRST = (
    ITERATIONS,
    "training.rate",
    "training.tasks",
    "train.ways",
    "train.shots",
    "learner.inner_rate",
    "learner.train_steps",
    "learner.test_steps",
    "seed",
)
_GROUPS = {
    "tasks": "Tasks",
    "train": "Tasks",
    "test": "Tasks",
    "model": "Model",
    "learner": "Learner",
    "training": "Training",
}
_ELSE = "Machine"  # seed, device, precision
_WHEN = {"train": "in training", "test": "in evaluation"}
_LABELS = {  # where the field's own name says too little beside those of the other parts
    ITERATIONS: "outer steps",
    "training.rate": "outer rate",
    "training.tasks": "tasks in a meta-batch",
}


@dataclass(frozen=True)
class Draft:
    """A preset, stretched to some outer steps, and what else differs from it.

    >>> draft = Draft("sinusoid-maml").varied({"training.iterations": 700, "train.shots": 10})
    >>> draft.experiment.training.iterations, draft.experiment.train.shots, draft.changes
    (700, 10, {'train.shots': 10})
    """

    preset: str
    iterations: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> Experiment:
        """The preset at this draft's length."""
        experiment = preset(self.preset)
        return experiment if self.iterations is None else experiment.stretched(self.iterations)

    @property
    def experiment(self) -> Experiment:
        """What would be trained."""
        return with_values(self.start, self.changes)

    def varied(self, changes: Mapping[str, Any]) -> Draft:
        """With other values under the names of the form, refused where they are wrong."""
        changes = {**self.changes, **changes}
        draft = self
        if ITERATIONS in changes:
            iterations = changes.pop(ITERATIONS)
            if isinstance(iterations, float) and iterations.is_integer():
                iterations = int(iterations)
            if not isinstance(iterations, int):
                raise UserError(f"{ITERATIONS} is {iterations!r}: it must be a whole number")
            usual = preset(self.preset).training.iterations
            draft = replace(self, iterations=None if iterations == usual else iterations)
        draft = replace(draft, changes=changes)
        kept = {
            control["name"]: attrgetter(control["name"])(draft.experiment)
            for control in describe(draft.experiment, draft.start)
            if control["value"] != control["default"]
        }
        return replace(draft, changes=kept)

    def form(self) -> list[Setting]:
        """The controls, each with its `group` and whether it is one of the `first`."""
        controls: list[Setting] = []
        for one in with_choice_of_tasks(describe(self.experiment, self.start)):
            part = one["name"].partition(".")[0]
            group, first = _GROUPS.get(part, _ELSE), one["name"] in FIRST
            control: Setting = {**one, "group": group, "first": first}
            controls.append(control)
            control["label"] = _LABELS.get(control["name"], control["label"])
            if part in _WHEN:
                control["label"] += f" {_WHEN[part]}"
            if control["name"] == ITERATIONS:
                control["default"] = preset(self.preset).training.iterations
        order = {name: place for place, name in enumerate(FIRST)}
        return sorted(controls, key=lambda control: order.get(control["name"], len(order)))

    def code(self, directory: Path) -> str:
        """The Python that trains it.

        >>> print(Draft("sinusoid-maml", 700).code(Path("runs/one")))
        from workbench import preset, train
        <BLANKLINE>
        train(preset("sinusoid-maml").stretched(700), "runs/one")
        """
        experiment = f'preset("{self.preset}")'
        if self.iterations is not None:
            experiment += f".stretched({self.iterations})"
        lines = ["from workbench import preset, train"]
        if self.changes:
            lines += ["from workbench.fields import with_values", "", "changes = {"]
            lines += [f'    "{name}": {_said(name, value)}' for name, value in self.changes.items()]
            lines += ["}", f"experiment = with_values({experiment}, changes)"]
            experiment = "experiment"
        else:
            lines.append("")
        return "\n".join([*lines, f'train({experiment}, "{directory}")'])

    def shell(self, directory: Path) -> str:
        """The command line that trains it.

        >>> Draft("sinusoid-maml", 700, {"train.shots": 10}).shell(Path("runs/one"))
        'workbench train sinusoid-maml --run runs/one --iterations 700 --train.shots 10'
        """
        words = ["workbench", "train", self.preset, "--run", str(directory)]
        if self.iterations is not None:
            words += ["--iterations", str(self.iterations)]
        for name, value in self.changes.items():
            words += _flag(name.replace("_", "-"), value)
        return shlex.join(words)


def _said(name: str, value: Any) -> str:
    """A setting as Python takes it; tasks that only memory holds by the name of a variable."""
    if name == "tasks" and in_memory(value) is not None:
        return f"{variable(value)},  # the tasks that were given to the experiment"
    return f"{value!r},"


def _flag(name: str, value: Any) -> list[str]:
    """A setting as the command line takes it; a switch is named only where it is turned."""
    if isinstance(value, bool):
        head, _, last = name.rpartition(".")
        off = f"{head}.no-{last}" if head else f"no-{last}"
        return [f"--{name}" if value else f"--{off}"]
    if isinstance(value, Mapping):
        return [f"--{name}", *(str(part) for pair in value.items() for part in pair)]
    if isinstance(value, tuple | list):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}", str(value)]
