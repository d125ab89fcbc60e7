"""Meta-learners under one contract (see `base`), one method a file.

adapt(learner, episode) yields the values of an adaptation, one inner step after the other; a
learner's `begin`, `step` and `predict` are functions on those values.

Names are imported when first used: a session that needs one method loads one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.late import late

if TYPE_CHECKING:
    from workbench.algorithms.base import Learner as Learner
    from workbench.algorithms.base import adapt as adapt
    from workbench.algorithms.continual.anml import ANML as ANML
    from workbench.algorithms.continual.anml import ANMLSettings as ANMLSettings
    from workbench.algorithms.continual.oml import OML as OML
    from workbench.algorithms.continual.oml import OMLSettings as OMLSettings
    from workbench.algorithms.continual.prototypes import StreamPrototypes as StreamPrototypes
    from workbench.algorithms.continual.prototypes import (
        StreamPrototypesSettings as StreamPrototypesSettings,
    )
    from workbench.algorithms.continual.rehearsal import Rehearsal as Rehearsal
    from workbench.algorithms.continual.rehearsal import RehearsalSettings as RehearsalSettings
    from workbench.algorithms.control.bandit_baselines import BanditBaseline as BanditBaseline
    from workbench.algorithms.control.bandit_baselines import (
        BanditBaselineSettings as BanditBaselineSettings,
    )
    from workbench.algorithms.control.by_the_book import NoModelSettings as NoModelSettings
    from workbench.algorithms.control.maml_rl import MAMLRL as MAMLRL
    from workbench.algorithms.control.maml_rl import MAMLRLSettings as MAMLRLSettings
    from workbench.algorithms.control.mdp_baselines import MDPBaseline as MDPBaseline
    from workbench.algorithms.control.mdp_baselines import (
        MDPBaselineSettings as MDPBaselineSettings,
    )
    from workbench.algorithms.control.rl2 import RL2 as RL2
    from workbench.algorithms.control.rl2 import RL2Settings as RL2Settings
    from workbench.algorithms.estimators.adversarial import Adversarial as Adversarial
    from workbench.algorithms.estimators.base import Estimator as Estimator
    from workbench.algorithms.estimators.clipped import Clipped as Clipped
    from workbench.algorithms.estimators.displacement import Displacement as Displacement
    from workbench.algorithms.estimators.evolution import Evolution as Evolution
    from workbench.algorithms.estimators.exact import Exact as Exact
    from workbench.algorithms.estimators.implicit import Implicit as Implicit
    from workbench.algorithms.estimators.ppo import PPO as PPO
    from workbench.algorithms.estimators.truncated import Truncated as Truncated
    from workbench.algorithms.estimators.trust_region import TrustRegion as TrustRegion
    from workbench.algorithms.evolved.cmaes import CMAES as CMAES
    from workbench.algorithms.evolved.cmaes import CMAESSettings as CMAESSettings
    from workbench.algorithms.evolved.directions import Directions as Directions
    from workbench.algorithms.evolved.generations import Generation as Generation
    from workbench.algorithms.evolved.genetic import Genetic as Genetic
    from workbench.algorithms.evolved.genetic import GeneticSettings as GeneticSettings
    from workbench.algorithms.evolved.strategies import Strategies as Strategies
    from workbench.algorithms.evolved.strategies import StrategiesSettings as StrategiesSettings
    from workbench.algorithms.generated.gail import GAIL as GAIL
    from workbench.algorithms.generated.gail import GAILSettings as GAILSettings
    from workbench.algorithms.generated.learned_loss import ML3 as ML3
    from workbench.algorithms.generated.learned_loss import ML3Settings as ML3Settings
    from workbench.algorithms.generated.neural_optimizer import NeuralOptimizer as NeuralOptimizer
    from workbench.algorithms.generated.neural_optimizer import (
        NeuralOptimizerSettings as NeuralOptimizerSettings,
    )
    from workbench.algorithms.gradient.alfa import ALFA as ALFA
    from workbench.algorithms.gradient.alfa import ALFASettings as ALFASettings
    from workbench.algorithms.gradient.anil import ANIL as ANIL
    from workbench.algorithms.gradient.anil import BOIL as BOIL
    from workbench.algorithms.gradient.anil import ANILSettings as ANILSettings
    from workbench.algorithms.gradient.anil import BOILSettings as BOILSettings
    from workbench.algorithms.gradient.architectures import ArchitectureSearch as ArchitectureSearch
    from workbench.algorithms.gradient.architectures import (
        ArchitectureSettings as ArchitectureSettings,
    )
    from workbench.algorithms.gradient.finetune import FineTuning as FineTuning
    from workbench.algorithms.gradient.finetune import FineTuningSettings as FineTuningSettings
    from workbench.algorithms.gradient.finetune import PretrainedRegression as PretrainedRegression
    from workbench.algorithms.gradient.leo import LEO as LEO
    from workbench.algorithms.gradient.leo import LEOSettings as LEOSettings
    from workbench.algorithms.gradient.maml import MAML as MAML
    from workbench.algorithms.gradient.maml import MAMLSettings as MAMLSettings
    from workbench.algorithms.gradient.mamlpp import MAMLPlusPlus as MAMLPlusPlus
    from workbench.algorithms.gradient.mamlpp import MAMLPlusPlusSettings as MAMLPlusPlusSettings
    from workbench.algorithms.gradient.melu import MeLU as MeLU
    from workbench.algorithms.gradient.melu import MeLUSettings as MeLUSettings
    from workbench.algorithms.gradient.metasgd import MetaSGD as MetaSGD
    from workbench.algorithms.gradient.metasgd import MetaSGDSettings as MetaSGDSettings
    from workbench.algorithms.gradient.reptile import Reptile as Reptile
    from workbench.algorithms.gradient.reptile import ReptileSettings as ReptileSettings
    from workbench.algorithms.gradient.reversal import DomainAdversarial as DomainAdversarial
    from workbench.algorithms.gradient.reversal import (
        DomainAdversarialSettings as DomainAdversarialSettings,
    )
    from workbench.algorithms.levels.meta_optimised import MetaOptimised as MetaOptimised
    from workbench.algorithms.levels.meta_optimised import (
        MetaOptimisedSettings as MetaOptimisedSettings,
    )
    from workbench.algorithms.levels.proposer import Proposer as Proposer
    from workbench.algorithms.levels.proposer import ProposerSettings as ProposerSettings
    from workbench.algorithms.levels.recurrent import Recurrent as Recurrent
    from workbench.algorithms.levels.recurrent import RecurrentSettings as RecurrentSettings
    from workbench.algorithms.levels.strategist import Strategist as Strategist
    from workbench.algorithms.levels.strategist import StrategistSettings as StrategistSettings
    from workbench.algorithms.memory.attentive import AttentionLearner as AttentionLearner
    from workbench.algorithms.memory.attentive import AttentionSettings as AttentionSettings
    from workbench.algorithms.memory.knowledge import KnowledgeBase as KnowledgeBase
    from workbench.algorithms.memory.mann import MANN as MANN
    from workbench.algorithms.memory.mann import MANNSettings as MANNSettings
    from workbench.algorithms.memory.matching import Matching as Matching
    from workbench.algorithms.memory.matching import MatchingSettings as MatchingSettings
    from workbench.algorithms.memory.metanet import MetaNet as MetaNet
    from workbench.algorithms.memory.metanet import MetaNetSettings as MetaNetSettings
    from workbench.algorithms.memory.prototypical import Prototypical as Prototypical
    from workbench.algorithms.memory.prototypical import (
        PrototypicalSettings as PrototypicalSettings,
    )
    from workbench.algorithms.memory.snail import SNAIL as SNAIL
    from workbench.algorithms.memory.snail import SNAILPolicy as SNAILPolicy
    from workbench.algorithms.memory.snail import SNAILSettings as SNAILSettings
    from workbench.algorithms.memory.task_memory import TaskMemory as TaskMemory
    from workbench.algorithms.memory.task_memory import TaskMemorySettings as TaskMemorySettings
    from workbench.algorithms.values import Adapted as Adapted
    from workbench.algorithms.values import MetaGradient as MetaGradient
    from workbench.algorithms.values import last as last

_NAMES: dict[str, tuple[str, ...]] = {
    "base": (
        "Learner",
        "adapt",
    ),
    "continual.anml": (
        "ANML",
        "ANMLSettings",
    ),
    "continual.oml": (
        "OML",
        "OMLSettings",
    ),
    "continual.prototypes": (
        "StreamPrototypes",
        "StreamPrototypesSettings",
    ),
    "continual.rehearsal": (
        "Rehearsal",
        "RehearsalSettings",
    ),
    "control.bandit_baselines": (
        "BanditBaseline",
        "BanditBaselineSettings",
    ),
    "control.by_the_book": ("NoModelSettings",),
    "control.maml_rl": (
        "MAMLRL",
        "MAMLRLSettings",
    ),
    "control.mdp_baselines": (
        "MDPBaseline",
        "MDPBaselineSettings",
    ),
    "control.rl2": (
        "RL2",
        "RL2Settings",
    ),
    "estimators.adversarial": ("Adversarial",),
    "estimators.base": ("Estimator",),
    "estimators.clipped": ("Clipped",),
    "estimators.displacement": ("Displacement",),
    "estimators.evolution": ("Evolution",),
    "estimators.exact": ("Exact",),
    "estimators.implicit": ("Implicit",),
    "estimators.ppo": ("PPO",),
    "estimators.truncated": ("Truncated",),
    "estimators.trust_region": ("TrustRegion",),
    "evolved.cmaes": (
        "CMAES",
        "CMAESSettings",
    ),
    "evolved.directions": ("Directions",),
    "evolved.generations": ("Generation",),
    "evolved.genetic": (
        "Genetic",
        "GeneticSettings",
    ),
    "evolved.strategies": (
        "Strategies",
        "StrategiesSettings",
    ),
    "generated.gail": (
        "GAIL",
        "GAILSettings",
    ),
    "generated.learned_loss": (
        "ML3",
        "ML3Settings",
    ),
    "generated.neural_optimizer": (
        "NeuralOptimizer",
        "NeuralOptimizerSettings",
    ),
    "gradient.alfa": (
        "ALFA",
        "ALFASettings",
    ),
    "gradient.anil": (
        "ANIL",
        "BOIL",
        "ANILSettings",
        "BOILSettings",
    ),
    "gradient.architectures": (
        "ArchitectureSearch",
        "ArchitectureSettings",
    ),
    "gradient.finetune": (
        "FineTuning",
        "FineTuningSettings",
        "PretrainedRegression",
    ),
    "gradient.leo": (
        "LEO",
        "LEOSettings",
    ),
    "gradient.maml": (
        "MAML",
        "MAMLSettings",
    ),
    "gradient.mamlpp": (
        "MAMLPlusPlus",
        "MAMLPlusPlusSettings",
    ),
    "gradient.melu": (
        "MeLU",
        "MeLUSettings",
    ),
    "gradient.metasgd": (
        "MetaSGD",
        "MetaSGDSettings",
    ),
    "gradient.reptile": (
        "Reptile",
        "ReptileSettings",
    ),
    "gradient.reversal": (
        "DomainAdversarial",
        "DomainAdversarialSettings",
    ),
    "levels.meta_optimised": (
        "MetaOptimised",
        "MetaOptimisedSettings",
    ),
    "levels.proposer": (
        "Proposer",
        "ProposerSettings",
    ),
    "levels.recurrent": (
        "Recurrent",
        "RecurrentSettings",
    ),
    "levels.strategist": (
        "Strategist",
        "StrategistSettings",
    ),
    "memory.attentive": (
        "AttentionLearner",
        "AttentionSettings",
    ),
    "memory.knowledge": ("KnowledgeBase",),
    "memory.mann": (
        "MANN",
        "MANNSettings",
    ),
    "memory.matching": (
        "Matching",
        "MatchingSettings",
    ),
    "memory.metanet": (
        "MetaNet",
        "MetaNetSettings",
    ),
    "memory.prototypical": (
        "Prototypical",
        "PrototypicalSettings",
    ),
    "memory.snail": (
        "SNAIL",
        "SNAILPolicy",
        "SNAILSettings",
    ),
    "memory.task_memory": (
        "TaskMemory",
        "TaskMemorySettings",
    ),
    "values": (
        "Adapted",
        "MetaGradient",
        "last",
    ),
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [*_HOMES]

__getattr__ = late(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
