"""Meta-learners under one contract (see `base`), one method a file.

adapt(learner, episode) yields the values of an adaptation, one inner step after the other; a
learner's `begin`, `step` and `predict` are functions on those values.
"""

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.control.rl2 import RL2, RL2Settings
from workbench.algorithms.estimators.adversarial import Adversarial
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.clipped import Clipped
from workbench.algorithms.estimators.displacement import Displacement
from workbench.algorithms.estimators.evolution import Evolution
from workbench.algorithms.estimators.exact import Exact
from workbench.algorithms.estimators.implicit import Implicit
from workbench.algorithms.estimators.truncated import Truncated
from workbench.algorithms.generated.gail import GAIL, GAILSettings
from workbench.algorithms.generated.learned_loss import ML3, ML3Settings
from workbench.algorithms.generated.neural_optimizer import (
    NeuralOptimizer,
    NeuralOptimizerSettings,
)
from workbench.algorithms.gradient.alfa import ALFA, ALFASettings
from workbench.algorithms.gradient.anil import ANIL, BOIL, ANILSettings, BOILSettings
from workbench.algorithms.gradient.finetune import (
    FineTuning,
    FineTuningSettings,
    PretrainedRegression,
)
from workbench.algorithms.gradient.leo import LEO, LEOSettings
from workbench.algorithms.gradient.maml import MAML, MAMLSettings
from workbench.algorithms.gradient.mamlpp import MAMLPlusPlus, MAMLPlusPlusSettings
from workbench.algorithms.gradient.metasgd import MetaSGD, MetaSGDSettings
from workbench.algorithms.gradient.reptile import Reptile, ReptileSettings
from workbench.algorithms.gradient.reversal import DomainAdversarial, DomainAdversarialSettings
from workbench.algorithms.memory.attentive import AttentionLearner, AttentionSettings
from workbench.algorithms.memory.knowledge import KnowledgeBase
from workbench.algorithms.memory.mann import MANN, MANNSettings
from workbench.algorithms.memory.matching import Matching, MatchingSettings
from workbench.algorithms.memory.metanet import MetaNet, MetaNetSettings
from workbench.algorithms.memory.prototypical import Prototypical, PrototypicalSettings
from workbench.algorithms.memory.snail import SNAIL, SNAILPolicy, SNAILSettings
from workbench.algorithms.memory.task_memory import TaskMemory, TaskMemorySettings
from workbench.algorithms.values import Adapted, MetaGradient, last

__all__ = [
    "ALFA",
    "ANIL",
    "BOIL",
    "GAIL",
    "LEO",
    "MAML",
    "MANN",
    "ML3",
    "RL2",
    "SNAIL",
    "ALFASettings",
    "ANILSettings",
    "Adapted",
    "Adversarial",
    "AttentionLearner",
    "AttentionSettings",
    "BOILSettings",
    "Clipped",
    "Displacement",
    "DomainAdversarial",
    "DomainAdversarialSettings",
    "Estimator",
    "Evolution",
    "Exact",
    "FineTuning",
    "FineTuningSettings",
    "GAILSettings",
    "Implicit",
    "KnowledgeBase",
    "LEOSettings",
    "Learner",
    "MAMLPlusPlus",
    "MAMLPlusPlusSettings",
    "MAMLSettings",
    "MANNSettings",
    "ML3Settings",
    "Matching",
    "MatchingSettings",
    "MetaGradient",
    "MetaNet",
    "MetaNetSettings",
    "MetaSGD",
    "MetaSGDSettings",
    "NeuralOptimizer",
    "NeuralOptimizerSettings",
    "PretrainedRegression",
    "Prototypical",
    "PrototypicalSettings",
    "RL2Settings",
    "Reptile",
    "ReptileSettings",
    "SNAILPolicy",
    "SNAILSettings",
    "TaskMemory",
    "TaskMemorySettings",
    "Truncated",
    "adapt",
    "last",
]
