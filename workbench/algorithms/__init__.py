"""Meta-learners under one contract (see `base`), one method a file.

adapt(learner, episode) yields the values of an adaptation, one inner step after the other; a
learner's `begin`, `step` and `predict` are functions on those values.
"""

from workbench.algorithms.anil import ANIL, BOIL, ANILSettings, BOILSettings
from workbench.algorithms.attentive import AttentionLearner, AttentionSettings
from workbench.algorithms.base import Adapted, Learner, MetaGradient, adapt, last
from workbench.algorithms.finetune import FineTuning, FineTuningSettings, PretrainedRegression
from workbench.algorithms.knowledge import KnowledgeBase
from workbench.algorithms.maml import MAML, MAMLSettings
from workbench.algorithms.mann import MANN, MANNSettings
from workbench.algorithms.matching import Matching, MatchingSettings
from workbench.algorithms.metanet import MetaNet, MetaNetSettings
from workbench.algorithms.metasgd import MetaSGD, MetaSGDSettings
from workbench.algorithms.prototypical import Prototypical, PrototypicalSettings
from workbench.algorithms.reptile import Reptile, ReptileSettings
from workbench.algorithms.rl2 import RL2, RL2Settings
from workbench.algorithms.snail import SNAIL, SNAILPolicy, SNAILSettings
from workbench.algorithms.task_memory import TaskMemory, TaskMemorySettings

__all__ = [
    "ANIL",
    "BOIL",
    "MAML",
    "MANN",
    "RL2",
    "SNAIL",
    "ANILSettings",
    "Adapted",
    "AttentionLearner",
    "AttentionSettings",
    "BOILSettings",
    "FineTuning",
    "FineTuningSettings",
    "KnowledgeBase",
    "Learner",
    "MAMLSettings",
    "MANNSettings",
    "Matching",
    "MatchingSettings",
    "MetaGradient",
    "MetaNet",
    "MetaNetSettings",
    "MetaSGD",
    "MetaSGDSettings",
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
    "adapt",
    "last",
]
