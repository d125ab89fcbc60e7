"""Plain `nn.Module`s, and the settings that build them for tasks of any size.

MLP, Conv4        classifiers, regressors, or embeddings (without a head)
Gaussian      a policy whose actions are numbers
Policy        a recurrent policy with memory and its value function
"""

from workbench.models.conv4 import Conv4, Conv4Settings
from workbench.models.gaussian import Gaussian, GaussianSettings
from workbench.models.mlp import MLP, MLPSettings
from workbench.models.policy import Policy, PolicySettings

ModelSettings = MLPSettings | Conv4Settings | GaussianSettings | PolicySettings

__all__ = [
    "MLP",
    "Conv4",
    "Conv4Settings",
    "Gaussian",
    "GaussianSettings",
    "MLPSettings",
    "ModelSettings",
    "Policy",
    "PolicySettings",
]
