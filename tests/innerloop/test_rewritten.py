"""A rewritten graph computes what it did, in the quick forms."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from workbench.innerloop import InnerLoop, forward_tasks, weights_of
from workbench.innerloop.rewritten import WHILE_TRACING, turn_products

aten = torch.ops.aten
TASKS, STEPS, RATE = 3, 2, 0.05


def problem() -> tuple[nn.Sequential, list[Tensor]]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    x, y = torch.randn(2, TASKS, 6, 2), torch.randn(2, TASKS, 6, 3)
    return net.double(), [x[0].double(), y[0].double(), x[1].double(), y[1].double()]


def meta_gradient(net: nn.Module, shared: list[Tensor], data: list[Tensor]) -> list[Tensor]:
    """By the package's inner loop, as it is traced."""
    start = dict(zip(dict(net.named_parameters()), shared, strict=True))
    leaves = {name: p.detach().requires_grad_() for name, p in start.items()}
    sx, sy, qx, qy = data

    def losses(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (forward_tasks(net, weights, x) - y).square().mean(dim=(1, 2))

    values = {f"weights.{k}": p.expand(TASKS, *p.shape) for k, p in leaves.items()}
    loop = InnerLoop()
    with torch.enable_grad():
        for step in range(STEPS):
            rates = dict.fromkeys(leaves, RATE)
            values, _ = loop.step(
                lambda w: losses(w, sx, sy), values, rates, step=step, steps=STEPS
            )
        loss = losses(weights_of(values), qx, qy).mean()
    return list(torch.autograd.grad(loss, list(leaves.values())))


def by_torch_func(net: nn.Module, data: list[Tensor]) -> list[Tensor]:
    start = {name: p.detach() for name, p in net.named_parameters()}

    def adapted(p: dict[str, Tensor], sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        fast = p
        for _ in range(STEPS):
            found = grad(lambda w: F.mse_loss(functional_call(net, w, (sx,)), sy))(fast)
            fast = {name: w - RATE * found[name] for name, w in fast.items()}
        return F.mse_loss(functional_call(net, fast, (qx,)), qy)

    tasks = [grad(adapted)(start, *task) for task in zip(*data, strict=True)]
    return [sum(t[name] for t in tasks) / TASKS for name in start]


def products(graph: GraphModule) -> list[Node]:
    return [n for n in graph.graph.nodes if n.target in (aten.bmm.default, aten.mm.default)]


def test_a_meta_gradient_stays_what_it_is():
    net, data = problem()
    shared = [p.detach() for p in net.parameters()]

    def function(*given: Tensor) -> list[Tensor]:
        return meta_gradient(net, list(given[: len(shared)]), list(given[len(shared) :]))

    function(*shared, *data)  # makes `higher`'s object, which is no part of a graph
    graph = make_fx(function, WHILE_TRACING)(*shared, *data)
    turn_products(graph)
    for found, expected in zip(graph(*shared, *data), by_torch_func(net, data), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    names = {node.target for node in graph.graph.nodes}
    assert aten.baddbmm.default not in names
    assert aten.mm.default in names  # of the weights that the tasks share at first
    for node in products(graph):
        assert not all(u.target is aten.transpose.int for u in node.users), node


def a_sum(a: Tensor, b: Tensor) -> list[Tensor]:
    return [(torch.bmm(a, b) + torch.bmm(b.mT, a.mT)).mT.exp()]


def two_uses(a: Tensor, b: Tensor) -> list[Tensor]:
    product = torch.bmm(a, b)
    return [product.mT.exp(), product.sum(dim=1)]


def an_offset_that_spreads(a: Tensor, b: Tensor) -> list[Tensor]:
    return [(torch.bmm(a, b) + b[:, :1]).mT.exp()]


def scaled(a: Tensor, b: Tensor) -> list[Tensor]:
    offset = torch.ones_like(a)
    return [
        torch.baddbmm(offset, a, b, beta=0.5, alpha=2.0),
        torch.add(torch.bmm(a, b), torch.bmm(b, a), alpha=3).mT.exp(),
    ]


def written_over(a: Tensor, b: Tensor) -> list[Tensor]:
    product = torch.bmm(a, b)
    turned = product.mT
    turned.mul_(2.0)
    return [turned.exp(), product.mT + 1.0]


def shared(a: Tensor, b: Tensor) -> list[Tensor]:
    same = b[0].expand(4, 5, 5)
    return [
        torch.bmm(a, same),
        torch.bmm(a.mT, same.mT),
        torch.bmm(same, a),
        torch.baddbmm(b[:, :1], a, same),
    ]


@pytest.mark.parametrize(
    ("function", "turned"),
    [(a_sum, 0), (two_uses, 1), (an_offset_that_spreads, 1), (scaled, 1), (written_over, 0)]
    + [(shared, None)],
)
def test_what_is_rewritten_is_the_same(function, turned: int | None):
    """`turned` is how many transpositions of a result are left."""
    torch.manual_seed(0)
    given = torch.randn(4, 5, 5).double(), torch.randn(4, 5, 5).double()
    graph = make_fx(function, WHILE_TRACING)(*given)
    turn_products(graph)
    for found, expected in zip(graph(*given), function(*given), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    if turned is not None:
        inputs = {node for node in graph.graph.nodes if node.op == "placeholder"}
        nodes = [n for n in graph.graph.nodes if n.target is aten.transpose.int]
        assert sum(node.args[0] not in inputs for node in nodes) == turned
