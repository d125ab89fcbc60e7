"""Random numbers as a pure function of (seed, step): no global generator, so a replay is exact.

Every task has its own 64-bit seed in `Episode.seed`. A draw hashes (seed, step, position), which
makes it the same alone or in a batch, in one chunk or four, on any thread, and on any device.
The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014); torch's int64 wraps around.

What torch draws by itself, such as initial weights, comes from generators of its own (`Seeded`).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit number
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(bits: Tensor, by: int) -> Tensor:
    """Logical right shift (torch's own keeps the sign)."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    return bits ^ _shift_right(bits, 31)


def _signed(word: int) -> int:
    return (word + 2**63) % 2**64 - 2**63


def fold(seed: Tensor, *words: int | Tensor) -> Tensor:
    """A new seed from a seed and whole numbers, such as the step and the use made of it.

    >>> one = fold(torch.tensor([7]), 3)
    >>> bool((one == fold(torch.tensor([7, 8]), 3)[:1]).all())
    True
    """
    for word in words:
        offset = word * _GOLDEN if isinstance(word, Tensor) else _signed((word + 1) * _GOLDEN)
        seed = _mix(seed + offset)
    return seed


def uniform(seed: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform draws in [0, 1): for seeds `[task]` a tensor `[task, *shape]`.

    >>> uniform(torch.tensor([1, 2]), (3,)).shape
    torch.Size([2, 3])
    """
    size = math.prod(shape)
    positions = torch.arange(1, size + 1, device=seed.device) * _GOLDEN
    bits = _mix(_mix(seed).unsqueeze(-1) + positions)
    fraction = 24 if dtype == torch.float32 else 53
    draws = _shift_right(bits, 64 - fraction).to(dtype) * 2.0**-fraction
    return draws.reshape((*seed.shape, *shape))


def normal(seed: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal draws (Box and Muller), shaped as `uniform` shapes them."""
    first, second = uniform(seed, (2, *shape), dtype).unbind(seed.dim())
    return (-2 * torch.log1p(-first)).sqrt() * torch.cos(2 * math.pi * second)


def permutation(seed: Tensor, size: int) -> Tensor:
    """A shuffle of `range(size)` for every seed: `[task, size]`.

    >>> sorted(permutation(torch.tensor([5]), 4)[0].tolist())
    [0, 1, 2, 3]
    """
    return uniform(seed, (size,), torch.float64).argsort(dim=-1)


def spawn(seed: int, *words: int) -> int:
    """One whole number from another, for seeding torch generators: the same everywhere."""
    return int(fold(torch.tensor([_signed(seed)]), *words)[0]) & (2**63 - 1)


class Seeded(TorchDispatchMode):
    """While entered, what this thread draws from torch comes from generators of its own.

    The numbers are those that `torch.manual_seed` would give, but the process's generator, from
    which other threads draw too, is neither read nor changed. It may be entered again and goes on.

    >>> with Seeded(3):
    ...     one = torch.rand(2)
    >>> bool((one == torch.rand(2, generator=torch.Generator().manual_seed(3))).all())
    True
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed, self.drawn = seed, False
        self._generators: dict[str, torch.Generator] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or entering it would import the compiler, which takes seconds

    # Torch's own also set flags of the whole process, which threads would leave wrong.

    def __enter__(self) -> Seeded:
        _push_mode(self)
        return self

    def __exit__(self, *error: object) -> None:
        _pop_mode()

    def generator(self, device: torch.device | str) -> torch.Generator:
        """That of a device, made when it is first asked for."""
        kind = torch.device(device).type
        if kind not in self._generators:
            self._generators[kind] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[kind]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            drawing = _with_generator(func)
            if drawing is not None and not any(
                isinstance(a, torch.Generator) for a in (*args, *kwargs.values())
            ):
                like = next((a for a in args if isinstance(a, Tensor)), None)
                device = kwargs.get("device") or ("cpu" if like is None else like.device)
                self.drawn = True
                func, kwargs = drawing, {**kwargs, "generator": self.generator(device)}
        return func(*args, **kwargs)


@functools.cache
def _with_generator(func: Any) -> Any:
    """The form of a drawing operation that takes a generator; None where there is none."""
    wanted = _arguments(func)
    wanted.pop("generator", None)
    for name in (func._overloadname, *func.overloadpacket.overloads()):
        form = getattr(func.overloadpacket, name)
        found = _arguments(form)
        if found.pop("generator", None) and found == wanted:
            return form
    return None


def _arguments(form: Any) -> dict[str, str]:
    return {argument.name: str(argument.type) for argument in form._schema.arguments}
