"""Every method on a tiny task: the table that the contract is tested against."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.algorithms import (
    ALFA,
    ANIL,
    ANML,
    BOIL,
    CMAES,
    GAIL,
    LEO,
    MAML,
    MAMLRL,
    MANN,
    ML3,
    OML,
    PPO,
    RL2,
    SNAIL,
    ALFASettings,
    ANILSettings,
    ANMLSettings,
    ArchitectureSearch,
    ArchitectureSettings,
    AttentionLearner,
    AttentionSettings,
    BanditBaseline,
    BanditBaselineSettings,
    BOILSettings,
    CMAESSettings,
    DomainAdversarial,
    DomainAdversarialSettings,
    FineTuning,
    FineTuningSettings,
    GAILSettings,
    Genetic,
    GeneticSettings,
    KnowledgeBase,
    Learner,
    LEOSettings,
    MAMLPlusPlus,
    MAMLPlusPlusSettings,
    MAMLRLSettings,
    MAMLSettings,
    MANNSettings,
    Matching,
    MatchingSettings,
    MDPBaseline,
    MDPBaselineSettings,
    MeLU,
    MeLUSettings,
    MetaNet,
    MetaNetSettings,
    MetaOptimised,
    MetaOptimisedSettings,
    MetaSGD,
    MetaSGDSettings,
    ML3Settings,
    NeuralOptimizer,
    NeuralOptimizerSettings,
    OMLSettings,
    PretrainedRegression,
    Proposer,
    ProposerSettings,
    Prototypical,
    PrototypicalSettings,
    Recurrent,
    RecurrentSettings,
    Rehearsal,
    RehearsalSettings,
    Reptile,
    ReptileSettings,
    RL2Settings,
    SNAILPolicy,
    SNAILSettings,
    Strategies,
    StrategiesSettings,
    Strategist,
    StrategistSettings,
    StreamPrototypes,
    StreamPrototypesSettings,
    TaskMemory,
    TaskMemorySettings,
)
from workbench.algorithms.gradient.reversal import Domains
from workbench.innerloop import InnerOptimizer, LSTMRuleSettings, MomentRuleSettings
from workbench.models import (
    MLP,
    Conv4,
    FilmNet,
    Gaussian,
    MixedSettings,
    NGramMLP,
    Policy,
    Shaped,
    TextCNN,
    TextTransformer,
)
from workbench.randomness import fold, normal, uniform
from workbench.tasks import Episode, Examples, Shape, TaskSpec, open_tasks
from workbench.tasks.control.navigation import Navigation
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.families.curve_families import CurveFamilies

TASKS, WAYS, SHOTS, QUERIES = 3, 3, 2, 2
TRAIN_CLASSES = 6

# What the meta-gradient is held against.
Oracle = Literal["differences", "first order", "actor-critic", "by hand"]


def sines(tasks: int = TASKS) -> Episode:
    """Regression: four support and five query points of a sine."""
    seed = fold(torch.arange(tasks), 1)
    x = 10 * uniform(fold(seed, 0), (9, 1), torch.float64) - 5
    phase, height = uniform(fold(seed, 1), (2, 1, 1), torch.float64).unbind(1)
    y = (1 + height) * torch.sin(x - phase)
    return Episode(Examples(x[:, :4], y[:, :4]), Examples(x[:, 4:], y[:, 4:]), seed)


def clouds(tasks: int = TASKS, shape: tuple[int, ...] = (4,)) -> Episode:
    """Classification: each class a cloud of points around a centre of its own."""
    seed = fold(torch.arange(tasks), 2)
    centres = normal(fold(seed, 0), (WAYS, 1, *shape), torch.float64)

    def examples(each: int, use: int) -> Examples:
        around = normal(fold(seed, use), (WAYS, each, *shape), torch.float64)
        y = torch.arange(WAYS).repeat_interleave(each).repeat(tasks, 1)
        return Examples((centres + 0.5 * around).flatten(1, 2), y)

    classes = (torch.arange(tasks).unsqueeze(1) + torch.arange(WAYS)) % TRAIN_CLASSES
    return Episode(examples(SHOTS, 1), examples(QUERIES, 2), seed, WAYS, {"classes": classes})


def images(tasks: int = TASKS) -> Episode:
    """Classification of 16x16 images."""
    return clouds(tasks, (1, 16, 16))


def gaps(tasks: int = TASKS) -> Episode:
    """Classification of rows of which half the values are missing, each beside a flag."""
    episode = clouds(tasks)

    def lacking(examples: Examples, use: int) -> Examples:
        count = tuple(examples.x.shape[1:])
        there = (uniform(fold(episode.seed, use), count, torch.float64) < 0.5).double()
        return dataclasses.replace(examples, x=torch.cat([examples.x * there, there], dim=-1))

    support, query = lacking(episode.support, 5), lacking(episode.query, 6)
    return dataclasses.replace(episode, support=support, query=query)


def texts(tasks: int = TASKS) -> Episode:
    """Classification of texts of unequal lengths: each class has letters of its own."""
    seed = fold(torch.arange(tasks), 4)
    first = 97 + 6 * torch.arange(WAYS).view(-1, 1, 1)

    def examples(each: int, use: int) -> Examples:
        letters = (6 * uniform(fold(seed, use, 0), (WAYS, each, 12), torch.float64)).long() + first
        parted = torch.where(torch.arange(12) % 4 == 3, 32, letters)
        length = 4 + (8 * uniform(fold(seed, use, 1), (WAYS, each, 1), torch.float64)).long()
        x = torch.where(torch.arange(12) < length, parted, 0)
        y = torch.arange(WAYS).repeat_interleave(each).repeat(tasks, 1)
        return Examples(x.flatten(1, 2), y)

    classes = (torch.arange(tasks).unsqueeze(1) + torch.arange(WAYS)) % TRAIN_CLASSES
    return Episode(examples(SHOTS, 1), examples(QUERIES, 2), seed, WAYS, {"classes": classes})


def films(tasks: int = TASKS) -> Episode:
    """Regression of whole numbers: what people give films of which some things are known."""
    seed = fold(torch.arange(tasks), 5)
    draws = uniform(fold(seed, 0), (9, 6), torch.float64)
    sizes = torch.tensor([11, 60, 2000, 30, 2, 2])
    x = (draws * sizes).long() + torch.tensor([1, 1950, -1000, 0, 0, 0])
    y = 1 + 4 * uniform(fold(seed, 1), (9, 1), torch.float64)
    return Episode(Examples(x[:, :4], y[:, :4]), Examples(x[:, 4:], y[:, 4:]), seed)


def shifted(tasks: int = TASKS) -> Episode:
    """Classification where the query's domain is not the support's, and unlabelled inputs of it."""
    episode = clouds(tasks)
    seed = fold(episode.seed, 3)
    moved = normal(seed, (WAYS * SHOTS, 4), torch.float64) + 1
    query = dataclasses.replace(episode.query, x=episode.query.x + 1)
    return dataclasses.replace(episode, query=query, info={**episode.info, "unlabelled": moved})


def bandits(tasks: int = TASKS) -> Episode:
    """Control: four pulls of three arms."""
    trials = open_tasks("bandit").sample(tasks, seed=0, shape=Shape(ways=3, shots=4))
    return trials.to(dtype=torch.float64)


def mdps(tasks: int = TASKS) -> Episode:
    """Control: two episodes of an MDP of three actions."""
    trials = open_tasks("mdp").sample(tasks, seed=0, shape=Shape(ways=3, shots=2))
    return trials.to(dtype=torch.float64)


def goals(tasks: int = TASKS) -> Episode:
    """Control: goals in the plane, each with four trajectories of five moves."""
    found = open_tasks("navigation").sample(tasks, seed=0, shape=Shape(ways=2, shots=1))
    world = Repeated(Navigation(near=0.1, horizon=5), 4)
    return dataclasses.replace(found, env=world).to(dtype=torch.float64)


ACTED = (bandits, mdps, goals)  # whose tasks have no examples


FAMILIES = CurveFamilies("sines", Shape(ways=1, shots=3, queries=2))


def families(tasks: int = TASKS) -> Episode:
    """Families of sines: four tasks to learn from, five to be judged by."""
    return FAMILIES.sample(tasks, seed=0, shape=Shape(1, 4, 5)).to(dtype=torch.float64)


class Attentive(nn.Module):
    """A user's own module: self-attention over two tokens, a skip connection, a LayerNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(8, WAYS)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x.unflatten(-1, (2, 2)))
        h = h + self.attention(h, h, h, need_weights=False)[0]
        return self.out(self.norm(h).tanh().flatten(1))


@dataclass(frozen=True)
class Case:
    """A method, its settings, and a task for it.

    idle            endings of the names of meta-parameters that provably have no gradient
    noise_by_place  the method draws noise for the places of the examples, so what pads must
                    stand behind them to leave their noise alone
    reads_anew      what the same weights predict changes with the steps: how they are read is set
                    anew
    """

    learner: Callable[[Any], Learner]
    settings: Any
    episode: Callable[[], Episode]
    oracle: Oracle = "differences"
    idle: tuple[str, ...] = ()
    noise_by_place: bool = False
    reads_anew: bool = False

    def build(self, seed: int = 0, **changes: Any) -> Learner:
        """The learner, in training mode, its parameters drawn from `seed`."""
        torch.manual_seed(seed)
        return self.learner(dataclasses.replace(self.settings, **changes))

    @property
    def has_inner_rate(self) -> bool:
        return hasattr(self.settings, "inner_rate")


def _regressor() -> nn.Module:
    return MLP(1, 1, hidden=(6, 5), activation="tanh")


def _classifier(outputs: int | None = WAYS) -> nn.Module:
    return MLP(4, outputs, hidden=(5,), activation="tanh", norm=True)


def _plain() -> nn.Module:
    return MLP(4, None, hidden=(5,), activation="tanh")


def _beside_flags(outputs: int | None = WAYS) -> nn.Module:
    return MLP(8, outputs, hidden=(5,), activation="tanh")


def _mixed() -> nn.Module:
    return MixedSettings(layers=2, width=4, operations="relu tanh gauss").build((4,), WAYS)


def _embedding() -> nn.Module:
    return _classifier(None)


def _conv(outputs: int | None = WAYS) -> nn.Module:
    return Conv4((1, 16, 16), outputs, filters=4)


def _reader(outputs: int | None = WAYS) -> nn.Module:
    return NGramMLP(outputs, buckets=50, bins=12, hidden=(5,), words=4)


def _dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))


def _attentive(settings: AttentionSettings) -> Learner:
    base = KnowledgeBase.from_features(normal(torch.tensor(8), (7, 5), torch.float64))
    return AttentionLearner(_embedding(), 5, settings, base=base)


def _inside() -> MAML:
    model = MLP(1, 1, hidden=(4,), activation="tanh")
    return MAML(model, MAMLSettings(inner_rate=0.05, train_steps=2, rates="step"))


def _proposer(settings: ProposerSettings) -> Learner:
    inner = MAMLSettings(inner_rate=0.05, train_steps=2, rates="step")
    return Proposer(MAML(Shaped(1, 1, hidden=(4, 3)), inner), FAMILIES.nested, settings)


def _meta_optimised(settings: MetaOptimisedSettings) -> Learner:
    return MetaOptimised(_inside(), FAMILIES.nested, settings)


def _remembering(model: nn.Module, episode: Episode, settings: TaskMemorySettings) -> Learner:
    learner = TaskMemory(model, settings)
    learner.to(torch.float64).update(episode)
    return learner.to(torch.get_default_dtype())


def _by_ppo(learner: Learner) -> Learner:
    learner.estimator = PPO(epochs=2, minibatches=1)
    return learner


def _stirred(learner: Learner) -> Learner:
    """What starts at zero, and so hides what stands before it, is moved away."""
    for parameter in learner.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return learner


def _spec(*shape: int) -> TaskSpec:
    return TaskSpec("classification", shape, WAYS, TRAIN_CLASSES)


# A bias that batch normalisation follows: subtracting the mean takes it out again.
BEFORE_NORM = ("linear1.bias",)
BEFORE_NORMS = tuple(f"conv{i}.bias" for i in range(1, 5))

_STEPS = {"inner_rate": 0.05, "train_steps": 3, "test_steps": 4}
_MAML = MAMLSettings(**_STEPS)
_TUNED = FineTuningSettings(test_steps=4)
_SNAIL = SNAILSettings(filters=4, length=4, width=5)
# central differences would see through the pull's constant
_LEO = LEOSettings(codes=4, code_steps=2, tuning_steps=2, tuning_rate=0.1, pull=0.0)
_GAIL = GAILSettings(noise=2, width=6, test_steps=3)
_LSTM, _MOMENTS = LSTMRuleSettings(hidden=4), MomentRuleSettings(hidden=5)
_OPTIMIZER = NeuralOptimizerSettings(**_STEPS, optimizer=_LSTM)
_MOMENTUM = InnerOptimizer(momentum=0.9)
_LEVELS = MetaOptimisedSettings(**_STEPS, batch=2, optimizer=_MOMENTUM)
_WATCHED = RecurrentSettings(**_STEPS, batch=2, optimizer=_MOMENTUM, every=2, width=4)
_PROPOSED = ProposerSettings(**_STEPS, units=5, width=6, expert_steps=2, batch=2)
_PICKED = StrategistSettings(
    **_STEPS, batch=1, optimizer=_MOMENTUM, inner_counts=(1, 2), every=1, watched=1, width=4
)


def _maml(**changes: Any) -> MAMLSettings:
    return dataclasses.replace(_MAML, **changes)


def _tuning(**changes: Any) -> FineTuningSettings:
    return dataclasses.replace(_TUNED, **changes)


CASES: dict[str, Case] = {
    "MAML": Case(lambda s: MAML(_regressor(), s), _MAML, sines),
    "MAML, classes": Case(lambda s: MAML(_classifier(), s), _MAML, clouds, idle=BEFORE_NORM),
    "MAML, Conv4": Case(
        lambda s: MAML(_conv(), s), _maml(train_steps=2), images, idle=BEFORE_NORMS
    ),
    "MAML, own module": Case(lambda s: MAML(Attentive(), s), _MAML, clouds),
    "MAML, values beside flags": Case(lambda s: MAML(_beside_flags(), s), _MAML, gaps),
    "MAML, texts": Case(lambda s: MAML(_reader(), s), _MAML, texts),
    "MAML, text CNN": Case(
        lambda s: MAML(TextCNN(WAYS, buckets=50, width=4, filters=5, words=4), s),
        _maml(train_steps=2),
        texts,
    ),
    "MAML, dropout": Case(lambda s: MAML(_dropping(), s), _MAML, sines, noise_by_place=True),
    "MAML, rematerialised": Case(
        lambda s: MAML(_regressor(), s), _maml(rematerialise=True, optimizer=_MOMENTUM), sines
    ),
    "FOMAML": Case(
        lambda s: MAML(_regressor(), s), _maml(order="first"), sines, oracle="first order"
    ),
    "MAML, rates per layer": Case(lambda s: MAML(_regressor(), s), _maml(rates="layer"), sines),
    "MAML, rates per parameter": Case(
        lambda s: MAML(_regressor(), s), _maml(rates="parameter"), sines
    ),
    "MAML, rates per step": Case(lambda s: MAML(_regressor(), s), _maml(rates="step"), sines),
    "ANIL": Case(lambda s: ANIL(_regressor(), s), ANILSettings(**_STEPS), sines),
    "MeLU": Case(
        lambda s: MeLU(FilmNet(genres=2, films=12, width=3, hidden=4), s),
        MeLUSettings(**_STEPS),
        films,
    ),
    "BOIL": Case(lambda s: BOIL(_regressor(), s), BOILSettings(**_STEPS), sines),
    "Meta-SGD": Case(lambda s: MetaSGD(_regressor(), s), MetaSGDSettings(**_STEPS), sines),
    "MAML++": Case(
        lambda s: MAMLPlusPlus(_classifier(), s),
        MAMLPlusPlusSettings(**_STEPS, first_order=0.0),
        clouds,
        idle=(*BEFORE_NORM, "linear1/bias", "norm1.weight", "norm1.bias"),
    ),
    "MAML++, young": Case(
        lambda s: MAMLPlusPlus(_classifier(), s), MAMLPlusPlusSettings(**_STEPS), clouds, "by hand"
    ),
    "MAML++, norms adapted": Case(
        lambda s: MAMLPlusPlus(_classifier(), s),
        MAMLPlusPlusSettings(**_STEPS, first_order=0.0, multi_step=0.0, step_norms=False),
        clouds,
        idle=(*BEFORE_NORM, "linear1/bias"),
    ),
    "T-NAS, its mixture": Case(
        lambda s: ArchitectureSearch(_mixed(), s),
        ArchitectureSettings(**_STEPS, rates="none", discrete="no"),
        clouds,
        idle=tuple(f"linear{i}.bias" for i in range(3)),
    ),
    "ALFA": Case(lambda s: ALFA(_regressor(), s), ALFASettings(**_STEPS), sines),
    "ALFA, momentum": Case(
        lambda s: ALFA(_regressor(), s), ALFASettings(**_STEPS, optimizer=_MOMENTUM), sines
    ),
    "Reptile": Case(
        lambda s: Reptile(_regressor(), s), ReptileSettings(**_STEPS, batch=2), sines, "by hand"
    ),
    "Domain-adversarial": Case(
        lambda s: DomainAdversarial(Domains(_embedding(), 5, WAYS, critic=4), s),
        DomainAdversarialSettings(**_STEPS),
        shifted,
        idle=("body.linear1.bias",),
    ),
    "Fine-tuning, linear": Case(
        lambda s: FineTuning(_embedding(), _spec(4), s), _TUNED, clouds, idle=BEFORE_NORM
    ),
    "Fine-tuning, texts": Case(
        lambda s: FineTuning(
            _reader(None),
            TaskSpec("classification", (12,), WAYS, TRAIN_CLASSES, whole_numbers=True),
            s,
        ),
        _TUNED,
        texts,
    ),
    "Fine-tuning, cosine": Case(
        lambda s: FineTuning(_embedding(), _spec(4), s),
        _tuning(head="cosine"),
        clouds,
        idle=BEFORE_NORM,
    ),
    "Fine-tuning, a free layer": Case(
        lambda s: FineTuning(_embedding(), _spec(4), s),
        _tuning(free=("norm1",), free_rate=0.05),
        clouds,
        idle=BEFORE_NORM,
    ),
    "Fine-tuning, augmented": Case(
        lambda s: FineTuning(MLP(256, None, hidden=(5,)), _spec(1, 16, 16), s),
        _tuning(augment=1),
        images,
        noise_by_place=True,
    ),
    "Pretrained regression": Case(
        lambda s: PretrainedRegression(_regressor(), s), _tuning(inner_rate=0.05), sines
    ),
    "OML": Case(lambda s: OML(_plain(), 5, s), OMLSettings(inner_rate=0.05), clouds),
    "OML, a deep prediction network": Case(
        lambda s: OML(_plain(), 5, s), OMLSettings(inner_rate=0.05, hidden=(6,)), clouds
    ),
    "OML, first order": Case(
        lambda s: OML(_plain(), 5, s), OMLSettings(0.05, "first", (6,)), clouds, "by hand"
    ),
    "OML, Conv4": Case(
        lambda s: OML(Conv4((1, 16, 16), None, 4, norm="image"), 4, s), OMLSettings(0.05), images
    ),
    "ANML": Case(lambda s: ANML(_plain(), _plain(), 5, s), ANMLSettings(inner_rate=0.05), clouds),
    "Rehearsal": Case(
        lambda s: Rehearsal(_plain(), _spec(4), s), RehearsalSettings(kept=1), clouds
    ),
    "Rehearsal, a free layer": Case(
        lambda s: Rehearsal(MLP(4, None, hidden=(6, 5), activation="tanh"), _spec(4), s),
        RehearsalSettings(kept=1, passes=2, free=("linear2",), free_rate=0.05),
        clouds,
    ),
    "Prototypes of a stream": Case(
        lambda s: StreamPrototypes(_plain(), s), StreamPrototypesSettings(), clouds
    ),
    "GAIL": Case(
        lambda s: GAIL(_regressor(), TaskSpec("regression", (1,), 1), s), _GAIL, sines, "by hand"
    ),
    "GAIL, classes": Case(
        lambda s: GAIL(_classifier(), _spec(4), s), _GAIL, clouds, "by hand", idle=BEFORE_NORM
    ),
    "Genetic": Case(
        lambda s: Genetic(_regressor(), s),
        GeneticSettings(**_STEPS, code=3, population=6, elites=2),
        sines,
        "by hand",
    ),
    "Genetic, rates per step": Case(
        lambda s: Genetic(_classifier(), s),
        GeneticSettings(**_STEPS, code=0, rates="step", population=6, elites=2),
        clouds,
        "by hand",
    ),
    "CMA-ES": Case(
        lambda s: CMAES(_regressor(), s), CMAESSettings(**_STEPS, code=3), sines, "by hand"
    ),
    "CMA-ES, no rates": Case(
        lambda s: CMAES(_classifier(), s),
        CMAESSettings(**_STEPS, code=4, rates="none"),
        clouds,
        "by hand",
    ),
    "Evolution strategies": Case(
        lambda s: Strategies(_regressor(), s),
        StrategiesSettings(**_STEPS, code=3),
        sines,
        "by hand",
    ),
    "LEO": Case(lambda s: LEO(_embedding(), 5, s), _LEO, clouds, idle=BEFORE_NORM),
    "LEO, first order": Case(
        lambda s: LEO(nn.Flatten(), 4, s),
        dataclasses.replace(_LEO, order="first", pull=0.1),
        clouds,
        "by hand",
    ),
    "Matching": Case(
        lambda s: Matching(_embedding(), s), MatchingSettings(), clouds, idle=BEFORE_NORM
    ),
    "Matching, texts": Case(lambda s: Matching(_reader(None), s), MatchingSettings(), texts),
    "Matching, full context": Case(
        lambda s: Matching(_embedding(), s, features=5),
        MatchingSettings(full_context=True),
        clouds,
        idle=BEFORE_NORM,
    ),
    "Prototypical, values beside flags": Case(
        lambda s: Prototypical(_beside_flags(None), s), PrototypicalSettings(), gaps
    ),
    "Prototypical": Case(
        lambda s: Prototypical(_embedding(), s), PrototypicalSettings(), clouds, idle=BEFORE_NORM
    ),
    "Prototypical, dot product": Case(
        lambda s: Prototypical(_embedding(), s),
        PrototypicalSettings(distance="dot", temperature=0.5),
        clouds,
        idle=BEFORE_NORM,
    ),
    "Prototypical, text Transformer": Case(
        lambda s: Prototypical(
            TextTransformer(None, buckets=50, width=4, layers=1, heads=2, words=4), s
        ),
        PrototypicalSettings(),
        texts,
        idle=("embedding.norm.bias",),  # moves all texts alike
    ),
    "Prototypical, Conv4": Case(
        lambda s: Prototypical(_conv(None), s), PrototypicalSettings(), images, idle=BEFORE_NORMS
    ),
    "MetaNet": Case(
        lambda s: MetaNet(_embedding(), 5, WAYS, s),
        MetaNetSettings(hidden=6, generator=4, sampled=4),
        clouds,
        idle=BEFORE_NORM,
    ),
    "RL², GRU": Case(
        lambda s: RL2(Policy(1, 3, hidden=5), s), RL2Settings(), bandits, "actor-critic"
    ),
    "RL², LSTM": Case(
        lambda s: RL2(Policy(1, 3, hidden=5, cell="lstm"), s),
        RL2Settings(),
        bandits,
        "actor-critic",
    ),
    "RL², PPO": Case(
        lambda s: _by_ppo(RL2(Policy(1, 3, hidden=5), s)),
        RL2Settings(prediction_weight=0.1, usual_reward=0.5, reward_scale=0.5),
        bandits,
        "by hand",
    ),
    "RL², numbers": Case(
        lambda s: RL2(Policy(2, 2, hidden=5, numbers=True), s), RL2Settings(), goals, "by hand"
    ),
    "MAML-RL": Case(
        lambda s: MAMLRL(Gaussian(2, 2, hidden=(5,), activation="tanh"), s),
        MAMLRLSettings(inner_rate=0.5, train_steps=2, test_steps=3),
        goals,
        "by hand",
    ),
    "MAML-RL, choices": Case(
        lambda s: MAMLRL(MLP(10, 3, hidden=(5,), activation="tanh"), s),
        MAMLRLSettings(inner_rate=0.5, surrogate="dice", adapts="head"),
        mdps,
        "by hand",
    ),
    "MANN": Case(
        lambda s: MANN(_embedding(), 5, WAYS, s),
        MANNSettings(slots=10, width=4, heads=2, hidden=6),
        clouds,
        idle=BEFORE_NORM,
    ),
    "Attention, soft": Case(_attentive, AttentionSettings(), clouds, idle=BEFORE_NORM),
    "Attention, Gumbel": Case(
        _attentive,
        AttentionSettings(attention="gumbel", entries=2),
        clouds,
        "by hand",
        noise_by_place=True,
    ),
    "Attention, REINFORCE": Case(
        _attentive,
        AttentionSettings(attention="reinforce", entries=2),
        clouds,
        "by hand",
        noise_by_place=True,
    ),
    "Attention, evolved": Case(
        _attentive,
        AttentionSettings(learner="evolutionary"),
        clouds,
        "by hand",
    ),
    "Task memory": Case(
        lambda s: _remembering(_regressor(), sines(2), s),
        TaskMemorySettings(**_STEPS, slots=3, temperature=1.0),
        sines,
    ),
    "Task memory, classes": Case(
        lambda s: _remembering(_classifier(), clouds(3), s),
        TaskMemorySettings(**_STEPS, slots=2, temperature=1.0),
        clouds,
        idle=BEFORE_NORM,
    ),
    "MAML, LSTM's steps": Case(lambda s: MAML(_regressor(), s), _maml(optimizer=_LSTM), sines),
    "Neural optimizer, LSTM": Case(lambda s: NeuralOptimizer(_regressor(), s), _OPTIMIZER, sines),
    "Neural optimizer, moments": Case(
        lambda s: _stirred(NeuralOptimizer(_regressor(), s)),
        dataclasses.replace(_OPTIMIZER, optimizer=_MOMENTS, batch=2),
        sines,
    ),
    "ML3": Case(lambda s: ML3(_regressor(), s), ML3Settings(**_STEPS, hidden=(6, 5)), sines),
    "ML3, classes": Case(
        lambda s: _stirred(ML3(_classifier(), s, "classification")),
        ML3Settings(**_STEPS, hidden=(6, 5), start="learned", context=2, added=True),
        clouds,
        idle=("model.linear1.bias",),
    ),
    "ML3, classes in order": Case(
        lambda s: _stirred(ML3(_classifier(), s, "classification", WAYS)),
        ML3Settings(**_STEPS, hidden=(6, 5), added=True, classes="in order"),
        clouds,
    ),
    "Meta-optimised": Case(_meta_optimised, _LEVELS, families),
    "Meta-optimised, all settings": Case(
        _meta_optimised,
        dataclasses.replace(
            _LEVELS,
            learned=("inner_rate", "inner_steps", "outer_rate", "proximal"),
            rates="step",
            proximal=0.1,
        ),
        families,
    ),
    "Proposer": Case(_proposer, _PROPOSED, families, "by hand"),
    "Proposer, random structures": Case(
        _proposer, dataclasses.replace(_PROPOSED, structure="random"), families, "by hand"
    ),
    "Recurrent": Case(
        lambda s: _stirred(Recurrent(_inside(), FAMILIES.nested, s)),
        _WATCHED,
        families,
        "by hand",
        reads_anew=True,
    ),
    "Strategist": Case(
        lambda s: _stirred(Strategist(_inside(), FAMILIES.nested, s)),
        _PICKED,
        families,
        "by hand",
        reads_anew=True,
    ),
    "SNAIL": Case(lambda s: SNAIL(_embedding(), 5, WAYS, s), _SNAIL, clouds, idle=BEFORE_NORM),
    "SNAIL, trials": Case(lambda s: SNAILPolicy(1 + 3 + 2, 3, s), _SNAIL, bandits, "actor-critic"),
    "SNAIL, numbers": Case(
        lambda s: SNAILPolicy(2 + 2 + 2, 2, s, numbers=True), _SNAIL, goals, "by hand"
    ),
    "SNAIL, PPO": Case(
        lambda s: _by_ppo(SNAILPolicy(1 + 3 + 2, 3, s)),
        dataclasses.replace(_SNAIL, prediction_weight=0.1),
        bandits,
        "by hand",
    ),
}

# Learners with nothing to train: what the contract says of adaptations holds of them too.
BASELINES: dict[str, Case] = {
    f"{learner.__name__}, {rule}": Case(learner, settings(rule=rule), episode)
    for learner, settings, episode, rules in (
        (BanditBaseline, BanditBaselineSettings, bandits, ("thompson", "ucb1", "gittins")),
        (MDPBaseline, MDPBaselineSettings, mdps, ("psrl", "ucrl2", "q-learning", "optimal")),
    )
    for rule in rules
}
