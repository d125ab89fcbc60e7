"""A clinic of generated diseases, always there, seeded: findings follow from diseases by noisy-or.

The form is that of QMR-DT (Shwe et al., 1991, Probabilistic diagnosis using a reformulation of the
INTERNIST-1/QMR knowledge base); names and numbers are made up, and mean nothing about real illness.

    P(sign | diseases) = 1 - (1 - leak) * product over the diseases present of (1 - strength)
    laboratory value   = the sum of the shifts by the diseases present + N(0, 1)

Eight systems of the body have four signs and one laboratory value each, four signs are general. A
*disease* belongs to a system: it causes some of its signs strongly, some of another system's
weakly, general ones, and shifts the system's laboratory value. It has ages at which it comes, a
base rate among all who come to the clinic, a share of women, and a share of those who are asked
about it who have it (one in five to one in two). Beside it a patient may have common diseases.

Each system has fourteen diseases: 8 to train, 2 to validate, 4 to test. The patients who do *not*
have the disease of a task have another one, half of them one of the same system, or (one in eight)
none; these others are training diseases always, so that a tested disease is new.

    present   one new disease: is it there or not, from K patients as they come
    which     N new diseases: which of them is it, from K patients of each
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.randomness import fold, normal, uniform
from workbench.tasks.bank import ClassBank
from workbench.tasks.base import Shape, Split
from workbench.tasks.medicine import FINDINGS, NOTICE, Patients
from workbench.tasks.sampler import ClassSplit, whole
from workbench.tasks.tables import Column, Rows, encoded

SYSTEMS: dict[str, tuple[tuple[str, ...], str, str, float, float]] = {
    "heart": (
        ("chest pain", "palpitations", "swollen legs", "faintness"),
        "troponin",
        "ng/l",
        9,
        4,
    ),
    "lungs": (("cough", "wheezing", "breathlessness", "blood in phlegm"), "oxygen", "%", 96, 2),
    "gut": (("nausea", "diarrhoea", "heartburn", "cramps"), "calprotectin", "µg/g", 40, 15),
    "liver": (("jaundice", "itching", "dark urine", "swollen belly"), "ALT", "U/l", 28, 9),
    "kidneys": (
        ("flank pain", "foamy urine", "puffy eyes", "thirst"),
        "creatinine",
        "mg/dl",
        0.9,
        0.2,
    ),
    "nerves": (("headache", "numbness", "tremor", "double vision"), "protein", "mg/l", 320, 80),
    "joints": (("stiffness", "swollen joints", "back pain", "weakness"), "CRP", "mg/l", 4, 2),
    "skin": (("rash", "blisters", "hair loss", "pale spots"), "IgE", "kU/l", 60, 25),
}  # signs, laboratory value, its unit, its mean and deviation in the healthy
GENERAL = ("fever", "fatigue", "weight loss", "night sweats")
DISEASES: dict[Split, int] = {"train": 8, "validation": 2, "test": 4}  # of each system
PATIENTS = 150  # asked about each disease

_NO_YES = ("no", "yes")
COLUMNS = (
    Column("age", "years", 50, 20, group="history"),
    Column("sex", choices=("female", "male"), group="history"),
    *(
        column
        for system, (signs, laboratory, unit, mean, deviation) in SYSTEMS.items()
        for column in (
            *(Column(sign, choices=_NO_YES, group=system) for sign in signs),
            Column(laboratory, unit, mean, deviation, group="laboratory"),
        )
    ),
    *(Column(sign, choices=_NO_YES, group="history") for sign in GENERAL),
)
_SIGNS = [place for place, column in enumerate(COLUMNS) if column.choices == _NO_YES]
_LABORATORY = [place for place, column in enumerate(COLUMNS) if column.group == "laboratory"]
_SEED = 1991
_WORLD, _CLINIC = 0, 1  # what the seed is put to
_SAME, _HEALTHY, _MORE = 0.5, 1 / 8, 0.5  # see above; how often common diseases come beside it
_OLDEST = 95.0


@dataclass(frozen=True, eq=False)
class World:
    """The diseases, by row.

    strength  [disease, sign] chance that it alone causes a sign; leak [sign] that nothing does
    shift     [disease, laboratory value] in deviations
    age       [disease, 2] mean and deviation of who has it
    rate      [disease] base rate among those who come
    women     [disease] share of women; asked [disease] share of those asked about it who have it
    system    [disease] its number
    """

    strength: Tensor
    leak: Tensor
    shift: Tensor
    age: Tensor
    rate: Tensor
    women: Tensor
    asked: Tensor
    system: Tensor

    def chances(self, present: Tensor) -> Tensor:
        """The chance of each sign where these diseases are present, `[..., disease]` of 0 and 1.

        >>> none = torch.zeros(1, len(world().rate))
        >>> bool((world().chances(none)[0] - world().leak).abs().max() < 1e-6)
        True
        """
        stays_away = present @ torch.log1p(-self.strength)
        return 1 - (1 - self.leak) * stays_away.exp()


@functools.cache
def world() -> World:
    """The diseases of all systems, system after system: always the same ones."""
    each = sum(DISEASES.values())
    count, signs = each * len(SYSTEMS), len(_SIGNS)

    def draw(use: int, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * uniform(fold(torch.tensor(_SEED), _WORLD, use), shape)

    system = torch.arange(len(SYSTEMS)).repeat_interleave(each)
    other = (system + whole(draw(0, count), 1, len(SYSTEMS) - 1)) % len(SYSTEMS)
    of_sign = torch.tensor([*(k // 4 for k in range(4 * len(SYSTEMS))), *[-1] * len(GENERAL)])
    own, near = (of_sign == s.unsqueeze(1) for s in (system, other))
    general = of_sign == -1
    chance = torch.where(own, 0.75, torch.where(near, 0.3, torch.where(general, 0.4, 0.03)))
    strong = torch.where(
        own, draw(1, count, signs, low=0.4, high=0.9), draw(2, count, signs, low=0.1, high=0.5)
    )
    side = torch.where(draw(3, count) < 0.5, -1.0, 1.0)
    number = torch.arange(len(SYSTEMS))
    shift = (number == system.unsqueeze(1)) * (side * draw(4, count, low=1.0, high=2.5)).unsqueeze(
        1
    )
    shift = shift + (number == other.unsqueeze(1)) * draw(5, count, 1, low=-1.0, high=1.0)
    return World(
        strength=strong * (draw(6, count, signs) < chance),
        leak=draw(7, signs, low=0.02, high=0.1),
        shift=shift,
        age=torch.stack([draw(8, count, low=15, high=80), draw(9, count, low=8, high=20)], dim=1),
        rate=0.01 * 20 ** draw(10, count),
        women=draw(11, count, low=0.3, high=0.7),
        asked=draw(12, count, low=0.2, high=0.5),
        system=system,
    )


def patients(disease: int) -> tuple[Tensor, Tensor]:
    """Who is asked about a disease: rows `[patient, column]` of numbers, and who has it.

    >>> rows, ill = patients(0)
    >>> rows.shape, 0.1 < float(ill.float().mean()) < 0.6
    (torch.Size([150, 46]), True)
    """
    of, count = world(), len(world().rate)
    seed = fold(torch.tensor([_SEED]), _CLINIC, disease)

    def draw(use: int, *shape: int) -> Tensor:
        return uniform(fold(seed, use), (PATIENTS, *shape))[0]

    ill = draw(0) < of.asked[disease]
    # who does not have it has another, more likely a common one, half of them of its system
    known = (torch.arange(count) % sum(DISEASES.values()) < DISEASES["train"]).float()
    known[disease] = 0.0
    same = (of.system == of.system[disease]).float()
    weights = [of.rate * known * kind for kind in (same, 1 - same)]
    reach = torch.stack([w.cumsum(0) / w.sum() for w in weights])
    kind = (draw(1) >= _SAME).long()
    another = (draw(2).unsqueeze(1) >= reach[kind]).sum(dim=1).clamp(max=count - 1)
    main = torch.where(ill, disease, another)
    present = torch.zeros(PATIENTS, count).scatter(1, main.unsqueeze(1), 1.0)
    healthy = ~ill & (draw(3) < _HEALTHY)
    present[healthy] = 0.0
    spread = normal(fold(seed, 4), (PATIENTS,))[0]
    age = of.age[main, 0] + of.age[main, 1] * spread
    age = torch.where(healthy, _OLDEST * draw(5), age).clamp(0, _OLDEST)
    # common diseases beside it, where the age is near theirs
    near = (-0.5 * ((age.unsqueeze(1) - of.age[:, 0]) / of.age[:, 1]).square()).exp()
    present = torch.maximum(present, (draw(6, count) < _MORE * of.rate * near * known).float())

    rows = torch.zeros(PATIENTS, len(COLUMNS))
    rows[:, 0] = age.round()
    rows[:, 1] = (draw(7) >= torch.where(healthy, 0.5, of.women[main])).float()
    rows[:, _SIGNS] = (draw(8, len(_SIGNS)) < of.chances(present)).float()
    value = present @ of.shift + normal(fold(seed, 9), (PATIENTS, len(SYSTEMS)))[0]
    means, deviations = (
        torch.tensor([getattr(COLUMNS[k], name) for k in _LABORATORY])
        for name in ("centre", "scale")
    )
    rows[:, _LABORATORY] = means + deviations * value
    return rows, ill


@functools.cache
def clinic_bank() -> ClassBank:
    """Everybody who was asked about each disease: by disease, then absent or present."""
    each, names = sum(DISEASES.values()), list(SYSTEMS)
    rows, counts = [], []
    for disease in range(len(world().rate)):
        found, ill = patients(disease)
        for kind in (found[~ill], found[ill]):
            rows.append(kind)
            counts.append(len(kind))
    diseases = [f"{names[d // each]} {d % each + 1}" for d in range(len(world().rate))]
    return ClassBank(
        x=encoded(torch.cat(rows).double().numpy().astype(np.float64), COLUMNS),
        counts=torch.tensor(counts),
        names=tuple(f"{disease}/{kind}" for disease in diseases for kind in FINDINGS),
        groups=tuple(disease for disease in diseases for _ in FINDINGS),
    )


def open_clinic(scheme: str) -> Rows:
    """The clinic's tasks: is a new disease present, or which of several new ones is it.

    >>> episode = open_clinic("which").sample(2, seed=0, split="test", shape=Shape(3, 2, 5))
    >>> episode.info["notice"]
    'for research only: this is no medical device'
    """
    bank, each = clinic_bank(), sum(DISEASES.values())
    splits: dict[Split, ClassSplit] = {}
    start = 0
    for split, count in DISEASES.items():
        own = [d for d in range(len(bank.names) // 2) if start <= d % each < start + count]
        start += count
        kinds = (0, 1) if scheme == "present" else (1,)
        splits[split] = ClassSplit.of([2 * d + kind for d in own for kind in kinds])
    if scheme == "present":
        return Patients(
            bank,
            splits,
            name="clinic",
            scheme=scheme,
            columns=COLUMNS,
            default_shape=Shape(ways=2, shots=10, queries=40),
        )
    return Rows(
        bank,
        splits,
        name="clinic",
        scheme=scheme,
        columns=COLUMNS,
        notice=NOTICE,
        default_shape=Shape(ways=5, shots=3, queries=10),
    )
