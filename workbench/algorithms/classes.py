"""What the methods with a memory of classes share: labelled examples, and classes not there."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.fields import Range
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

# What similarities are divided by before the softmax.
Temperature = Annotated[float, Range(above=0, span=(0.01, 10), log=True)]


def labelled(episode: Episode) -> tuple[Examples, int]:
    """The support of a classification episode, and its number of classes."""
    episode.check()
    if episode.kind == "classification" and episode.ways is None:
        raise UserError(
            "the episode does not say how many classes a task has, and this method keeps a memory "
            "of classes: give it ways="
        )
    if episode.kind != "classification" or episode.ways is None:
        raise UserError(
            "this method keeps a memory of classes and the tasks have none: "
            "use tasks of classification, or a gradient method such as MAML"
        )
    return episode.support, episode.ways


def check_outputs(prediction: Tensor, episode: Episode) -> None:
    """Refuse a model with fewer outputs than the tasks have classes."""
    ways = episode.check().classes
    if ways > prediction.shape[-1]:
        raise UserError(
            f"the model tells {prediction.shape[-1]} classes apart and the tasks have {ways} "
            "ways: give it more outputs or ask for fewer ways"
        )


def check_classification(spec: TaskSpec, method: str) -> None:
    """Refuse tasks whose targets are not classes."""
    if spec.kind != "classification":
        raise UserError(
            f"{method} needs tasks of classification and these are of {spec.kind}: "
            "use 'omniglot', 'glyphs' or 'digits', or another method"
        )


def one_hot(examples: Examples, ways: int, like: Tensor) -> Tensor:
    """Labels `[task, example, way]` in the precision of `like`; all zero where padded.

    >>> one_hot(Examples(torch.zeros(1, 2), torch.tensor([[1, 0]]), torch.tensor([[1.0, 0.0]])),
    ...         2, torch.zeros(1))
    tensor([[[0., 1.],
             [0., 0.]]])
    """
    labels = indicator(examples.y, ways, like)
    return labels if examples.weight is None else labels * examples.weight.to(like).unsqueeze(-1)


def template(embedding: nn.Module, episode: Episode) -> Tensor:
    """A tensor of the precision that an embedding gives, on its device: what memory is made like.

    >>> x = torch.zeros(1, 2, 4, dtype=torch.float64)
    >>> episode = Episode(Examples(x, x), Examples(x, x), torch.tensor([0]))
    >>> template(nn.Flatten(), episode).dtype
    torch.float64
    """
    found = next(embedding.parameters(), None)
    if found is not None:
        return found
    x = episode.support.x  # nothing is learned: what comes out is as what goes in
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def indicator(index: Tensor, size: int, like: Tensor) -> Tensor:
    """`F.one_hot` that reads no number out of a tensor, so that it can be traced."""
    return (index.unsqueeze(-1) == torch.arange(size, device=index.device)).to(like)


_SURPRISE = 750.0  # nats: about the least of which the chance is 0 in float64


def unlikely(logits: Tensor, present: Tensor) -> Tensor:
    """Logits in which a class that is not `present` has no chance beside the others.

    A class without an example cannot be told; asked for all the same, it costs 750 nats.

    >>> found = unlikely(torch.tensor([3.0, 9.0]), torch.tensor([True, False]))
    >>> found.tolist(), unlikely(found, torch.tensor([False, False])).softmax(-1).tolist()
    ([3.0, -747.0], [0.5, 0.5])
    """
    whole = hide(logits, present).logsumexp(dim=-1, keepdim=True)
    return torch.where(present, logits, whole - _SURPRISE)


def hide(logits: Tensor, present: Tensor) -> Tensor:
    """Logits with next to no chance where `present` is not; finite, so that 0 times them is 0."""
    return logits.masked_fill(~present, -1e9)
