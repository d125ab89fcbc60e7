"""Products of a traced graph, rewritten into the forms in which they are quick once compiled.

What a graph computes stays the same, up to rounding:

    a product and an offset   stand apart: the sum goes with the elementwise operations that follow
                              it, where `baddbmm` would copy the offset first
    weights that tasks share  as all do in the first inner step: one product of all tasks' rows
    a product used turned     as a weight's gradient is: computed turned, (a b)' = b' a', so that it
                              lies in memory as the weight does. Else every sum of the two jumps
                              about in one of them, which took a third of all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

aten = torch.ops.aten
_PRODUCT, _SUM, _TURN = aten.bmm.default, aten.add.Tensor, aten.transpose.int


def _with_offset(offset: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    if beta != 1 or alpha != 1:
        return NotImplemented
    return torch.bmm(a, b) + offset


def _by_shared(a: Tensor, b: Tensor) -> Any:
    if b.stride(0) != 0 or not a.is_contiguous() or 1 in b.shape[1:]:
        return NotImplemented
    return (a.flatten(0, 1) @ b[0]).unflatten(0, a.shape[:2])


# `make_fx` asks these for each operation that it traces.
WHILE_TRACING: dict[Any, Callable[..., Any]] = {
    aten.baddbmm.default: _with_offset,
    _PRODUCT: _by_shared,
}


def turn_products(graph: GraphModule) -> None:
    """In place: compute turned what is a product, or a sum of them, and only used turned.

    >>> from torch.fx.experimental.proxy_tensor import make_fx
    >>> a, b = torch.zeros(5, 2, 3), torch.zeros(5, 3, 4)
    >>> graph = make_fx(lambda a, b: torch.bmm(a, b).mT.exp())(a, b)
    >>> turn_products(graph)
    >>> [node.name for node in graph.graph.nodes][2:-1]
    ['transpose_int', 'transpose_int_1', 'bmm_default', 'exp']
    """
    for node in reversed(list(graph.graph.nodes)):  # a sum before its terms
        if node.target in (_PRODUCT, _SUM) and node.users and all(map(_is_turn, node.users)):
            _turn(graph, node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _is_turn(node: Node) -> bool:
    """Whether it exchanges the axes of a batch of matrices."""
    if node.target is not _TURN or node.meta["val"].dim() != 3:
        return False
    return {int(axis) % 3 for axis in node.args[1:]} == {1, 2}  # type: ignore[arg-type]


def _turn(graph: GraphModule, node: Node) -> None:
    terms: list[Any] = list(node.args)
    if node.target is _SUM and (node.kwargs or not all(_is_like(term, node) for term in terms)):
        return
    with graph.graph.inserting_before(node):
        turned = [_turned(graph, term) for term in terms]
        if node.target is _PRODUCT:
            turned.reverse()
        new = graph.graph.call_function(node.target, tuple(turned))  # type: ignore[arg-type]
    new.meta["val"] = node.meta["val"].mT
    for turn in list(node.users):
        turn.replace_all_uses_with(new)
        graph.graph.erase_node(turn)
    graph.graph.erase_node(node)


def _is_like(term: Any, node: Node) -> bool:
    return isinstance(term, Node) and term.meta["val"].shape == node.meta["val"].shape


def _turned(graph: GraphModule, node: Node) -> Any:
    if _is_turn(node):
        return node.args[0]
    new = graph.graph.call_function(_TURN, (node, 1, 2))
    new.meta["val"] = node.meta["val"].mT
    return new
