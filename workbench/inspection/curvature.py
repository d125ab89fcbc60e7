"""Curvature: the loss around the path, by its Hessian's eigenvalues and in the path's plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.inspection.layers import fast_weights, one_task
from workbench.randomness import fold, normal
from workbench.tasks.episode import Episode

_MOST_STEPS = 6  # of a path at which curvature is taken, unless asked otherwise
_NUMBERS = 4_000_000  # weights of the points of a landscape that are computed at once


def part_losses(
    learner: Learner, weights: Mapping[str, Tensor], adapted: Adapted, episode: Episode, part: str
) -> Tensor:
    """Each task's loss on support or query under other fast weights, `[task]`."""
    if episode.kind == "control":
        raise UserError(
            "losses around a path are of examples, and control tasks have none: look at the "
            "trajectories, or at the anatomy of the gradient"
        )
    examples = getattr(episode, part)
    if examples is None:
        raise UserError(
            "curvature is of the losses of examples, and control tasks have none: see signal, "
            "which has the noise of policy gradients"
        )
    if part == "support" and isinstance(learner, Unrolls):
        prediction = learner.under(
            dict(weights), adapted, examples.x, examples.weight, support=True
        )
    else:
        values = {**adapted.values, **{f"weights.{n}": w for n, w in weights.items()}}
        value = Adapted(values, adapted.seen, adapted.step)
        prediction = learner.predict(value, examples.x, examples.weight)
    return episode.loss(prediction, examples)


def curvature_frame(
    learner: Learner,
    episode: Episode,
    path: Sequence[Adapted],
    *,
    count: int = 5,
    iterations: int = 30,
    steps: Sequence[int] | None = None,
) -> pd.DataFrame:
    """The largest eigenvalues of the loss's Hessian by the fast weights, by Lanczos.

    task        its place in the episode
    step        after how many inner steps; unless `steps` says which, six spread over the path
    part        support or query, whose loss it is
    rank        0 is the largest eigenvalue
    eigenvalue  gradient descent on the support is stable while inner rate x eigenvalue < 2

    `iterations` bounds the work: with as many as there are weights the values are exact.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1, hidden=(4,)))
    >>> path = list(adapt(learner, episode, steps=1))
    >>> len(curvature_frame(learner, episode, path, count=2)) == 2 * 2 * 2 * 2
    True
    """
    weights = fast_weights(learner, path, "curvature_frame")
    if steps is None:
        spread = np.linspace(0, len(path) - 1, min(_MOST_STEPS, len(path))).round()
        steps = [int(step) for step in spread]
    pieces = []
    for step in steps:
        for part in ("support", "query"):

            def losses(w: dict[str, Tensor], step: int = step, part: str = part) -> Tensor:
                return part_losses(learner, w, path[step], episode, part)

            found = largest_eigenvalues(losses, weights[step], episode.seed, count, iterations)
            tasks, ranks = found.shape
            pieces.append(
                pd.DataFrame(
                    {
                        "task": np.repeat(range(tasks), ranks),
                        "step": path[step].step,
                        "part": part,
                        "rank": np.tile(range(ranks), tasks),
                        "eigenvalue": found.flatten().cpu().numpy(),
                    }
                )
            )
    return pd.concat(pieces, ignore_index=True)


def largest_eigenvalues(
    losses: Callable[[dict[str, Tensor]], Tensor],
    weights: Mapping[str, Tensor],
    seed: Tensor,
    count: int,
    iterations: int,
) -> Tensor:
    """Each task's largest Hessian eigenvalues, `[task, rank]`, largest first.

    Lanczos with full reorthogonalisation, all tasks at once; where a Krylov space is exhausted
    it goes on from a new direction.
    """
    with torch.enable_grad():
        leaves = {n: w.detach().clone().requires_grad_() for n, w in weights.items()}
        gradients = torch.autograd.grad(
            losses(leaves).sum(), list(leaves.values()), create_graph=True, allow_unused=True
        )
    tasks = len(seed)
    sizes = [w[0].numel() for w in leaves.values()]
    like = next(iter(leaves.values()))

    def times_hessian(vector: Tensor) -> Tensor:
        pieces = vector.to(like).split(sizes, dim=1)
        pairs = [
            (g, v.view_as(g))
            for g, v in zip(gradients, pieces, strict=True)
            if g is not None and g.requires_grad
        ]
        if not pairs:
            return torch.zeros_like(vector)
        found = torch.autograd.grad(
            [g for g, _ in pairs],
            list(leaves.values()),
            [v for _, v in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        flat = [
            like.new_zeros(tasks, size) if f is None else f.flatten(1)
            for f, size in zip(found, sizes, strict=True)
        ]
        return torch.cat(flat, dim=1).double()

    total = sum(sizes)
    rounds = min(iterations, total)
    basis: list[Tensor] = []
    diagonal, beside = [], []
    vector = _fresh(seed, 0, total, basis)
    for index in range(rounds):
        basis.append(vector)
        image = times_hessian(vector)
        diagonal.append((image * vector).sum(dim=1))
        rest = _orthogonal(image, basis)
        length = rest.norm(dim=1, keepdim=True)
        ended = length <= 1e-10 * image.norm(dim=1, keepdim=True).clamp(min=1e-30)
        beside.append(torch.where(ended, 0.0, length).squeeze(1))
        if index + 1 < rounds:
            new = _fresh(seed, index + 1, total, basis)
            vector = torch.where(ended, new, rest / length.clamp(min=1e-300))
    matrix = torch.diag_embed(torch.stack(diagonal, dim=1))
    if rounds > 1:
        off = torch.diag_embed(torch.stack(beside[:-1], dim=1), offset=1)
        matrix = matrix + off + off.transpose(1, 2)
    finite = matrix.isfinite().flatten(1).all(dim=1)  # not where the loss overflows
    matrix = torch.where(finite.view(-1, 1, 1), matrix, 0.0)
    found = torch.linalg.eigvalsh(matrix).flip(1)[:, :count]
    return torch.where(finite.unsqueeze(1), found, torch.nan)


def _fresh(seed: Tensor, number: int, size: int, basis: list[Tensor]) -> Tensor:
    """A unit vector for each task, orthogonal to those before it."""
    vector = _orthogonal(normal(fold(seed, 77, number), (size,), torch.float64), basis)
    return vector / vector.norm(dim=1, keepdim=True).clamp(min=1e-300)


def _orthogonal(vector: Tensor, basis: list[Tensor]) -> Tensor:
    if not basis:
        return vector
    others = torch.stack(basis, dim=1)
    for _ in range(2):  # twice is enough
        along = others @ vector.unsqueeze(-1)
        vector = vector - (along * others).sum(dim=1)
    return vector


@torch.no_grad()
def landscape_frame(
    learner: Learner,
    episode: Episode,
    path: Sequence[Adapted],
    task: int = 0,
    *,
    size: int = 11,
    margin: float = 0.3,
) -> pd.DataFrame:
    """The loss in the plane that a task's path spans best: a row a point and part.

    kind         grid or path
    x, y         coordinates along the path's first and second principal direction, from its mean,
                 in units of the weights
    step         of a path's point, after how many inner steps; missing on the grid
    part         support or query
    loss         there; on the path, the loss at the value itself and not at its projection
    explained_x  the fraction of the path's variance that lies along x; the same in every row
    explained_y  along y

    The grid has `size` x `size` places and reaches past the path by `margin` of its extent:
    few points first, more where a picture is wanted. A path of a single step spans a line; then y
    is the direction in which the query loss falls fastest beside it.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(1, seed=0), MAML(MLP(1, 1))
    >>> path = list(adapt(learner, episode, steps=3))
    >>> landscape_frame(learner, episode, path, size=5)["kind"].value_counts().to_dict()
    {'grid': 50, 'path': 8}
    """
    fast_weights(learner, path, "landscape_frame")
    one, values = one_task(episode, path, task)
    layout = {n: w.shape[1:] for n, w in weights_of(values[0].values).items()}
    places = torch.stack([_flat(adapted) for adapted in values]).double()
    middle = places.mean(dim=0)
    _, lengths, directions = torch.linalg.svd(places - middle, full_matrices=False)
    variance = lengths.square() / lengths.square().sum().clamp(min=1e-300)
    plane = torch.zeros(2, places.shape[1], dtype=torch.float64, device=places.device)
    plane[0] = directions[0]
    spans_plane = len(values) > 2 and float(lengths[1]) > 1e-9 * float(lengths[0])
    plane[1] = directions[1] if spans_plane else _downhill(learner, one, values[-1], plane[0])
    explained = [float(variance[0]), float(variance[1]) if spans_plane else 0.0]
    on_path = (places - middle) @ plane.T
    low, high = on_path.min(dim=0).values, on_path.max(dim=0).values
    extent = (high - low).clamp(min=0.3 * float((high - low).max()))
    centre = (low + high) / 2
    half = extent * (0.5 + margin)
    xs, ys = (
        torch.linspace(float(centre[k] - half[k]), float(centre[k] + half[k]), size) for k in (0, 1)
    )
    grid = torch.cartesian_prod(xs, ys).to(plane)
    weights = (middle + grid @ plane).to(_flat(values[0]))
    on_grid = _losses_at(learner, one, values[-1], weights, layout)
    pieces = []
    for part in ("support", "query"):
        here = [float(part_losses(learner, weights_of(v.values), v, one, part)) for v in values]
        tables = (
            ("grid", grid, None, on_grid[part].double().cpu().numpy()),
            ("path", on_path, [v.step for v in values], here),
        )
        for kind, where, step, loss in tables:
            x, y = where.cpu().numpy().T
            columns = {"kind": kind, "x": x, "y": y, "step": step, "part": part, "loss": loss}
            pieces.append(pd.DataFrame(columns).astype({"step": "Int64"}))
    frame = pd.concat(pieces, ignore_index=True)
    return frame.assign(explained_x=explained[0], explained_y=explained[1])


def _flat(adapted: Adapted) -> Tensor:
    return torch.cat([w[0].flatten() for w in weights_of(adapted.values).values()])


def _downhill(learner: Learner, one: Episode, adapted: Adapted, along: Tensor) -> Tensor:
    """The unit direction of the query loss's gradient, without its part along the line."""
    with torch.enable_grad():
        weights = {n: w.detach().requires_grad_() for n, w in weights_of(adapted.values).items()}
        loss = part_losses(learner, weights, adapted, one, "query").sum()
        found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    pieces = [
        torch.zeros_like(w[0]).flatten() if g is None else g[0].flatten()
        for w, g in zip(weights.values(), found, strict=True)
    ]
    for direction in (torch.cat(pieces).double(), normal(one.seed, (len(along),), along.dtype)[0]):
        rest = direction - (direction @ along) * along
        if float(rest.norm()) > 1e-9 * float(direction.norm()):
            break
    return rest / rest.norm()


def _losses_at(
    learner: Learner,
    one: Episode,
    adapted: Adapted,
    weights: Tensor,
    layout: Mapping[str, tuple[int, ...]],
) -> dict[str, Tensor]:
    """Support and query loss of one task at many weights `[point, number]`: points as tasks."""
    sizes = [int(np.prod(shape)) for shape in layout.values()]
    found: dict[str, list[Tensor]] = {"support": [], "query": []}
    for piece in weights.split(max(1, _NUMBERS // weights.shape[1])):
        count = len(piece)
        many = one[torch.zeros(count, dtype=torch.long, device=one.seed.device)]
        values = {n: t.expand(count, *t.shape[1:]) for n, t in adapted.values.items()}
        fast = {
            n: flat.view(count, *shape)
            for (n, shape), flat in zip(layout.items(), piece.split(sizes, dim=1), strict=True)
        }
        value = Adapted(values, {}, adapted.step)
        for part, losses in found.items():
            losses.append(part_losses(learner, fast, value, many, part))
    return {part: torch.cat(losses) for part, losses in found.items()}
