"""What a module's torch calls become inside one task.

While a module runs, `InsideTask`, a torch function mode, which belongs to one thread, gives every
torch call the task's own tensor wherever it names one of the module's parameters, however its
forward got hold of it (nothing is swapped in the module), draws random numbers from the task's
seed, and takes the plain form of what could not be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from workbench.errors import UserError
from workbench.randomness import fold, normal, uniform


def keep(draws: Tensor, p: float) -> Tensor:
    """What dropout multiplies by: 0 with chance p, and what keeps the mean elsewhere.

    >>> keep(torch.tensor([0.1, 0.9]), 0.5)
    tensor([0., 2.])
    """
    if p >= 1:
        return torch.zeros_like(draws)
    return (draws >= p).to(draws.dtype) / (1 - p)


class InsideTask(TorchFunctionMode):
    """The torch calls of one module, for one task.

    name     the module's, for messages
    instead  the tensor that stands for another, by the other's id
    seed     what random numbers follow from (None: drawing is refused)
    still    every draw is its middle: what is compared must not depend on how it is computed
    """

    def __init__(
        self, name: str, instead: Mapping[int, Tensor], seed: Tensor | None, still: bool
    ) -> None:
        super().__init__()
        self.name, self.instead, self.seed, self.still = name, instead, seed, still
        self.calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        args = self._put(args)
        kwargs = {k: self._put(v) for k, v in kwargs.items()} if kwargs else {}
        special = _SPECIAL.get(func)
        return func(*args, **kwargs) if special is None else special(self, func, *args, **kwargs)

    def _put(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.instead.get(id(value), value)
        if type(value) in (tuple, list):
            return type(value)([self._put(v) for v in value])
        return value

    def uniform(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The next draws from [0, 1)."""
        if self.still:
            return torch.full(shape, 0.5, dtype=dtype)
        return uniform(self._next(), tuple(shape), dtype)

    def normal(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The next standard normal draws."""
        if self.still:
            return torch.zeros(shape, dtype=dtype)
        return normal(self._next(), tuple(shape), dtype)

    def _next(self) -> Tensor:
        if self.seed is None:
            raise no_seeds(self.name)
        self.calls += 1
        return fold(self.seed, self.calls)


def no_seeds(name: str) -> UserError:
    """What to say where something is to be drawn and no seeds were given."""
    return UserError(
        f"{name} draws random numbers (dropout, say) and was given no seeds: call its eval(), or "
        "pass noise="
    )


def with_mode_inside(mode: TorchFunctionMode, func: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of torch's own Python with a mode on for the calls that it makes.

    A mode is off while it handles a call, and a function that asks for modes would ask it again:
    so the function runs in a copy that does not ask.
    """
    if func not in _COPIES:
        unasked = {name: _never for name in func.__globals__ if name.startswith("has_torch_func")}
        copy = FunctionType(func.__code__, func.__globals__ | unasked, func.__name__)
        copy.__defaults__, copy.__kwdefaults__ = func.__defaults__, func.__kwdefaults__
        _COPIES[func] = copy
    with mode:
        return _COPIES[func](*args, **kwargs)


_COPIES: dict[Any, Callable[..., Any]] = {}


def _never(*_: Any) -> bool:
    return False


def _dropped(width: Callable[[Tensor], tuple[int, ...]], inplace: bool) -> Callable[..., Any]:
    def drop(mode: InsideTask, _f: Any, x: Tensor, p: float, train: bool) -> Tensor:
        if not train or p == 0:
            return x
        factor = keep(mode.uniform(width(x), x.dtype).to(x.device), p)
        return x.mul_(factor) if inplace else x * factor

    return drop


def _alpha_dropped(width: Callable[[Tensor], tuple[int, ...]]) -> Callable[..., Any]:
    """Klambauer et al. (2017): what is dropped takes SELU's lowest value; mean, variance stay."""
    lowest = -1.7580993408473766

    def drop(mode: InsideTask, _f: Any, x: Tensor, p: float, train: bool) -> Tensor:
        if not train or p == 0:
            return x
        kept = (mode.uniform(width(x), x.dtype).to(x.device) >= p).to(x.dtype)
        scale = ((1 - p) * (1 + p * lowest**2)) ** -0.5 if p < 1 else 0.0
        return scale * (x * kept + lowest * (1 - kept) - p * lowest)

    return drop


def _attention(
    mode: InsideTask,
    _f: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention in its plain form, which can be differentiated twice, its dropout drawn here."""
    mask = None
    if dropout_p > 0:
        shape = (*query.shape[:-1], key.shape[-2])
        mask = mode.uniform(shape, query.dtype).to(query.device) >= dropout_p
    plain = torch.ops.aten._scaled_dot_product_attention_math.default
    return plain(
        query, key, value, attn_mask, dropout_p, is_causal, mask,
        scale=scale, enable_gqa=enable_gqa,
    )[0]  # fmt: skip


def _embedding(
    _m: InsideTask, func: Any, weight: Tensor, x: Tensor, padding: int = -1, *rest: Any
) -> Tensor:
    return without_gradient_at(func(weight, x, -1, *rest), x, padding)


def without_gradient_at(rows: Tensor, x: Tensor, padding: int) -> Tensor:
    """Embedded items, those equal to `padding` (if it is not negative) as constants."""
    if padding < 0:
        return rows
    return torch.where((x == padding).unsqueeze(-1), rows.detach(), rows)


def _made(like: Callable[..., Tensor], draw: str) -> Callable[..., Any]:
    def make(mode: InsideTask, _f: Any, *args: Any, **kwargs: Any) -> Tensor:
        kwargs.pop("generator", None)
        empty = like(*args, **kwargs)
        return getattr(mode, draw)(empty.shape, empty.dtype).to(empty.device)

    return make


def _blank(mode: InsideTask, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    """An empty tensor, which may be filled with a task's draws: it then has to be the task's."""
    made = func(*args, **kwargs)
    if mode.seed is None or not made.is_floating_point():
        return made
    return made.zero_() + 0 * mode.seed.to(made)


def _filled(draw: Callable[..., Tensor]) -> Callable[..., Any]:
    def fill(mode: InsideTask, _f: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        kwargs.pop("generator", None)
        return x.copy_(draw(mode, x, *args, **kwargs))

    return fill


def _bernoulli(mode: InsideTask, x: Tensor, p: float | Tensor = 0.5) -> Tensor:
    return (mode.uniform(x.shape, _real(x)).to(x.device) < p).to(x.dtype)


def _flip(mode: InsideTask, _f: Any, x: Tensor, p: float | None = None, **_: Any) -> Tensor:
    return _bernoulli(mode, x, x if p is None else p)


def _uniform(mode: InsideTask, x: Tensor, low: float = 0.0, high: float = 1.0, **by: Any) -> Tensor:
    low, high = by.get("from", low), by.get("to", high)
    return low + (high - low) * mode.uniform(x.shape, x.dtype).to(x.device)


def _normal(mode: InsideTask, x: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    return mean + std * mode.normal(x.shape, x.dtype).to(x.device)


def _exponential(mode: InsideTask, x: Tensor, lambd: float = 1.0) -> Tensor:
    return -torch.log1p(-mode.uniform(x.shape, x.dtype).to(x.device)) / lambd


def _real(x: Tensor) -> torch.dtype:
    return x.dtype if x.is_floating_point() else torch.float32


def _leaky(mode: InsideTask, func: Any, *args: Any, **by: Any) -> Tensor:
    training = by.get("training", args[3] if len(args) > 3 else False)
    return _undrawn(mode, func) if training else func(*args, **by)


def _undrawn(mode: InsideTask, func: Any, *_: Any, **__: Any) -> Any:
    raise UserError(
        f"{mode.name} draws by {func.__name__}, which cannot be drawn from a task's seed: use "
        "dropout, torch.rand or torch.randn in its forward, or call its eval()"
    )


def _elements(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


def _channels(x: Tensor) -> tuple[int, ...]:
    return (*x.shape[:2], *[1] * (x.dim() - 2))


_SPECIAL: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(
        (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout)
        + (F.feature_alpha_dropout, F.gumbel_softmax, F.multi_head_attention_forward, F.embedding),
        with_mode_inside,
    ),
    torch.dropout: _dropped(_elements, False),
    torch.dropout_: _dropped(_elements, True),
    torch.feature_dropout: _dropped(_channels, False),
    torch.feature_dropout_: _dropped(_channels, True),
    torch.alpha_dropout: _alpha_dropped(_elements),
    torch.alpha_dropout_: _alpha_dropped(_elements),
    torch.feature_alpha_dropout: _alpha_dropped(_channels),
    torch.feature_alpha_dropout_: _alpha_dropped(_channels),
    F.rrelu: _leaky,
    F.scaled_dot_product_attention: _attention,
    torch.embedding: _embedding,
    torch.rand: _made(torch.empty, "uniform"),
    torch.randn: _made(torch.empty, "normal"),
    torch.rand_like: _made(torch.empty_like, "uniform"),
    torch.randn_like: _made(torch.empty_like, "normal"),
    **dict.fromkeys((torch.empty, torch.empty_like, Tensor.new_empty), _blank),
    torch.bernoulli: _flip,
    Tensor.bernoulli: _flip,
    Tensor.bernoulli_: _filled(_bernoulli),
    Tensor.uniform_: _filled(_uniform),
    Tensor.normal_: _filled(_normal),
    Tensor.exponential_: _filled(_exponential),
    **dict.fromkeys(
        (torch.randint, torch.randint_like, torch.randperm, torch.multinomial, torch.poisson)
        + (torch.normal, torch.binomial, Tensor.multinomial, Tensor.random_, Tensor.geometric_)
        + (Tensor.cauchy_, Tensor.log_normal_),
        _undrawn,
    ),
}
