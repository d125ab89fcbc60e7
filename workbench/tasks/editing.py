"""Edits: an episode with one example of one task changed, or the goal of one that is acted in.

The episode it came from stays.

Every edit is a pure function of an episode, and names the example it changes by (task, part,
example), its place in `episode.support` or `episode.query`. Places stay: a dropped example becomes
padding, a duplicate takes the first place that is padding, or a new one at the end. What was done
stands in `info["edits"]`, plain data that `edited` does again to the same tasks.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from workbench.errors import UserError, nearest
from workbench.randomness import fold, normal
from workbench.tasks.base import Tasks
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.families._pen import Pen, Strokes, read_strokes
from workbench.tasks.sampler import FewShot

Part = Literal["support", "query"]
PARTS: tuple[Part, ...] = ("support", "query")


def move(
    episode: Episode,
    task: int,
    part: Part,
    example: int,
    x: float | None = None,
    y: float | None = None,
) -> Episode:
    """A point of a regression task, elsewhere; None leaves a coordinate as it is.

    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> changed = move(episode, 0, "support", 3, y=2.5)
    >>> float(changed.support.y[0, 3]), changed.info["edits"][0]["what"]
    (2.5, 'move')
    """
    examples = _examples(episode, task, part, example)
    if episode.ways is not None:
        raise UserError("a point can be moved in regression, and these tasks have classes: relabel")
    if x is None and y is None:
        raise UserError("a point was to be moved and neither x nor y says where: give one of them")
    changed = {}
    for name, to in (("x", x), ("y", y)):
        tensor = getattr(examples, name)
        if to is not None:
            if tensor[task, example].numel() != 1:
                size = tensor[task, example].numel()
                raise UserError(f"these tasks have {size} numbers in {name}: only one can be moved")
            changed[name] = _with(tensor, task, example, _number(name, to))
    return _done(episode, "move", task, part, example, replace(examples, **changed), x=x, y=y)


def relabel(episode: Episode, task: int, part: Part, example: int, label: int) -> Episode:
    """An example of a classification task under another class, counted from 0 within the task."""
    examples = _examples(episode, task, part, example)
    classes = _classes(episode, task)
    if not isinstance(label, int) or label not in classes:
        raise UserError(
            f"label is {label!r} and the task has classes {classes[0]} to {classes[-1]}: "
            "choose one of them"
        )
    changed = replace(examples, y=_with(examples.y, task, example, label))
    return _done(episode, "relabel", task, part, example, changed, label=label)


def drop(episode: Episode, task: int, part: Part, example: int) -> Episode:
    """The task without an example: its place becomes padding, of weight 0."""
    examples = _examples(episode, task, part, example)
    weight = _weight(examples)
    if int((weight[task] > 0).sum()) == 1:
        raise UserError(
            f"this is the last {part} example of task {task}: a task needs at least one, "
            "so duplicate or move another first"
        )
    changed = Examples(
        _with(examples.x, task, example, 0),
        _with(examples.y, task, example, 0),
        _with(weight, task, example, 0),
    )
    return _done(episode, "drop", task, part, example, changed, index=-1)


def duplicate(episode: Episode, task: int, part: Part, example: int) -> Episode:
    """The task with an example twice; other tasks get padding where it has to grow.

    >>> from workbench.tasks import open_tasks
    >>> episode = duplicate(open_tasks("sinusoid").sample(3, seed=0), 1, "support", 0)
    >>> episode.support.weight[:, -1].tolist()
    [0.0, 1.0, 0.0]
    """
    examples = _examples(episode, task, part, example)
    weight = _weight(examples)
    index = episode.info.get(f"{part}_index")
    free = (weight[task] == 0).nonzero().flatten().tolist()
    if not free:
        free = [weight.shape[1]]
        examples, weight = Examples(_longer(examples.x), _longer(examples.y)), _longer(weight)
        if index is not None:
            lengthened = {f"{part}_index": _longer(index, -1)}
            episode = replace(episode, info={**episode.info, **lengthened})
    place = free[0]
    changed = Examples(
        _with(examples.x, task, place, examples.x[task, example]),
        _with(examples.y, task, place, examples.y[task, example]),
        _with(weight, task, place, 1),
    )
    row = None if index is None else int(index[task, example])
    return _done(episode, "duplicate", task, part, example, changed, index=row, place=place)


def swap(
    episode: Episode, tasks: Tasks, task: int, part: Part, example: int, seed: int = 0
) -> Episode:
    """Another example of the same class in its place, one that the task does not hold yet.

    `tasks` are what the episode was sampled from; `seed` says which of the class's examples.
    """
    examples = _examples(episode, task, part, example)
    if not isinstance(tasks, FewShot):
        raise UserError(
            "an example can be swapped where classes have a stock of them, and these tasks draw "
            "theirs anew: move a point, or sample with another seed"
        )
    way = int(examples.y[task, example])
    row, x = tasks.another(episode, task, part, example, way, _seed(seed))
    changed = replace(examples, x=_with(examples.x, task, example, x.to(examples.x)))
    return _done(episode, "swap", task, part, example, changed, index=row, seed=seed)


def noise(
    episode: Episode,
    task: int,
    part: Part,
    example: int | None = None,
    amount: float = 0.1,
    seed: int = 0,
) -> Episode:
    """Gaussian noise of deviation `amount`: on the inputs of classes, on the targets of regression.

    `example` None is all of the part. Images keep to 0..1 where they kept to it before.
    """
    examples = _examples(episode, task, part, 0 if example is None else example, padding=True)
    if _number("amount", amount) < 0:
        raise UserError(f"amount is {amount}: it cannot be negative")
    if example is None:
        places = (_weight(examples)[task] > 0).nonzero().flatten().tolist()
    else:
        _examples(episode, task, part, example)
        places = [example]
    name = "y" if episode.ways is None else "x"
    tensor: Tensor = getattr(examples, name)
    if not tensor.is_floating_point():
        raise UserError(
            "these inputs are whole numbers, such as a text's characters, and noise would make "
            "others of them: swap the example, or relabel it"
        )
    root = fold(torch.tensor([_seed(seed)]), task, PARTS.index(part))
    for place in places:  # each has its own draws, whether it is alone or not
        clean = tensor[task, place]
        draws = normal(fold(root, place), tuple(clean.shape), torch.float64)[0]
        noisy = clean + amount * draws.to(clean)
        if clean.dim() == 3 and float(clean.min()) >= 0 and float(clean.max()) <= 1:
            noisy = noisy.clamp(0, 1)
        tensor = _with(tensor, task, place, noisy)
    changed = replace(examples, **{name: tensor})
    return _done(episode, "noise", task, part, example, changed, amount=amount, seed=seed)


def draw(episode: Episode, task: int, part: Part, example: int, strokes: Strokes) -> Episode:
    """An image drawn by hand: strokes of points [x, y], from (0, 0) top left to (1, 1).

    Ink, paper and the pen are those of the episode's other images.
    """
    examples = _examples(episode, task, part, example)
    if examples.x.dim() != 5:
        raise UserError("these tasks have no images to draw: draw characters, or move a point")
    plain = read_strokes(strokes)
    others = [e.x[_weight(e) > 0] for e in (episode.support, episode.query)]
    height, width = examples.x.shape[-2:]
    image = Pen.like(torch.cat(others).cpu()).draw(plain, height, width)
    changed = replace(examples, x=_with(examples.x, task, example, image.to(examples.x)))
    return _done(episode, "draw", task, part, example, changed, index=-1, strokes=plain)


def aim(episode: Episode, task: int, x: float | None = None, y: float | None = None) -> Episode:
    """A control task whose goal is elsewhere; None leaves a coordinate as it is.

    >>> from workbench.tasks import open_tasks
    >>> changed = aim(open_tasks("reacher").sample(2, seed=0), 1, x=0.5, y=0.25)
    >>> changed.task["goal"][1].tolist(), changed.info["edits"][0]["what"]
    ([0.5, 0.25], 'aim')
    """
    if "goal" not in episode.task or episode.env is None:
        raise UserError("these tasks have no goal to aim at: use control tasks such as 'reacher'")
    if not isinstance(task, int) or not 0 <= task < len(episode):
        raise UserError(
            f"task is {task!r} and there are {len(episode)}: choose 0 to {len(episode) - 1}"
        )
    goal = episode.task["goal"].clone()
    numbers = goal[task].view(-1)  # of the copy: one number, or x and y
    for place, (name, to) in enumerate((("x", x), ("y", y))):
        if to is not None:
            if place >= len(numbers):
                raise UserError("the goal of these tasks is one number: give x alone")
            numbers[place] = _number(name, to)
    if x is None and y is None:
        raise UserError("a goal was to be moved and neither x nor y says where: give one of them")
    world: Any = episode.env.env if isinstance(episode.env, Repeated) else episode.env
    if hasattr(world, "nearest"):  # not every place can be a goal
        goal = world.nearest(goal)
    changed = {**episode.task, "goal": goal}
    if hasattr(world, "check_task"):
        try:
            world.check_task(changed, len(episode))
        except UserError as error:
            raise UserError(f"{error}: move the goal elsewhere") from None
    edit = {"what": "aim", "task": task, "x": x, "y": y}
    edits = [*episode.info.get("edits", ()), edit]
    return replace(episode, task=changed, info={**episode.info, "edits": edits})


EDITS: dict[str, Callable[..., Episode]] = {
    "move": move,
    "relabel": relabel,
    "drop": drop,
    "duplicate": duplicate,
    "swap": swap,
    "noise": noise,
    "draw": draw,
    "aim": aim,
}


def edited(
    episode: Episode, edits: Iterable[Mapping[str, Any]], tasks: Tasks | None = None
) -> Episode:
    """The episode after edits given as plain data, as `info["edits"]` has them.

    `tasks` are needed where an example is swapped.

    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> changed = edited(episode, [{"what": "drop", "task": 1, "part": "query", "example": 4}])
    >>> edited(episode, changed.info["edits"]).sha256() == changed.sha256()
    True
    """
    for edit in edits:
        arguments = {name: value for name, value in edit.items() if name not in ("what", "place")}
        what = str(edit.get("what"))
        if what not in EDITS:
            raise UserError(f"there is no edit '{what}': {nearest(what, list(EDITS))}")
        if what == "swap":
            arguments["tasks"] = tasks
        try:
            inspect.signature(EDITS[what]).bind(episode, **arguments)
        except TypeError as error:
            raise UserError(f"the edit '{what}' cannot be read: {error}") from None
        episode = EDITS[what](episode, **arguments)
    return episode


# ---- what they share ----------------------------------------------------------------------------


def _examples(
    episode: Episode, task: int, part: Part, example: int, *, padding: bool = False
) -> Examples:
    """The part of the episode, in which the example is there."""
    if part not in PARTS:
        raise UserError(f"part is {part!r}: choose support or query")
    if part not in episode.parts:
        raise UserError("control tasks have no examples to edit: sample other tasks")
    examples = episode.parts[part]
    for name, place, count in (
        ("task", task, len(episode)),
        ("example", example, examples.y.shape[1]),
    ):
        if not isinstance(place, int) or not 0 <= place < count:
            raise UserError(f"{name} is {place!r} and there are {count}: choose 0 to {count - 1}")
    if not padding and float(_weight(examples)[task, example]) == 0:
        raise UserError(
            f"task {task} has no {part} example {example}, only padding in its place: "
            "choose one that is shown"
        )
    return examples


def _classes(episode: Episode, task: int) -> list[int]:
    if episode.ways is None:
        raise UserError("these tasks have no classes to relabel an example with: move it")
    classes = episode.info.get("classes")
    every = range(episode.ways)
    return [k for k in every if classes is None or int(classes[task, k]) >= 0]


def _weight(examples: Examples) -> Tensor:
    if examples.weight is not None:
        return examples.weight
    dtype = examples.x.dtype if examples.x.is_floating_point() else torch.float32
    return torch.ones(examples.y.shape[:2], dtype=dtype, device=examples.y.device)


def _with(tensor: Tensor, task: int, place: int, value: Any) -> Tensor:
    """A copy with one example's entry changed."""
    tensor = tensor.clone()
    tensor[task, place] = value
    return tensor


def _longer(tensor: Tensor, filling: int = 0) -> Tensor:
    """The tensor with one place more for every task, which holds nothing."""
    return torch.cat([tensor, torch.full_like(tensor[:, :1], filling)], dim=1)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UserError(f"{name} is {value!r}: it must be a finite number")
    return value


def _seed(seed: Any) -> int:
    if not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise UserError(f"seed is {seed!r}: it must be a whole number of at most 63 bits")
    return seed


def _done(
    episode: Episode,
    what: str,
    task: int,
    part: Part,
    example: int | None,
    examples: Examples,
    *,
    index: int | None = None,
    place: int | None = None,
    **how: Any,
) -> Episode:
    """The episode with a part replaced, and with the edit on record.

    index  the bank's row of the changed example (-1 for none), where that changes
    place  of the changed example, where it is not the one that was named
    """
    info = dict(episode.info)
    rows, at = info.get(f"{part}_index"), example if place is None else place
    if index is not None and rows is not None and at is not None:
        info[f"{part}_index"] = _with(rows, task, at, index)
    edit = {"what": what, "task": task, "part": part, "example": example, **how}
    if place is not None:
        edit["place"] = place
    info["edits"] = [*info.get("edits", ()), edit]
    if part == "support":
        return replace(episode, support=examples, info=info)
    return replace(episode, query=examples, info=info)
