"""Plain `nn.Module`s, and the settings that build them for tasks of any size.

MLP, Conv4        classifiers, regressors, or embeddings (without a head)
NGramMLP, TextCNN, TextTransformer      the same for texts
Mixture           operations mixed by weights, a layer of the nets that `MixedSettings` builds
FilmNet           stars of films, by what is known of them
Gaussian          a policy whose actions are numbers
Shaped            a net whose units can be switched off, and have an activation each
Policy            a recurrent policy with memory and its value function
"""

from workbench.models.conv4 import Conv4, Conv4Settings
from workbench.models.film import FilmNet, FilmNetSettings
from workbench.models.gaussian import Gaussian, GaussianSettings
from workbench.models.mixed import MixedSettings, Mixture
from workbench.models.mlp import MLP, MLPSettings
from workbench.models.policy import Policy, PolicySettings
from workbench.models.shaped import Shaped, ShapedSettings
from workbench.models.text import (
    NGramMLP,
    NGramMLPSettings,
    TextCNN,
    TextCNNSettings,
    TextTransformer,
    TextTransformerSettings,
)

TextSettings = NGramMLPSettings | TextCNNSettings | TextTransformerSettings
ImageSettings = MLPSettings | Conv4Settings | MixedSettings
ModelSettings = (
    ImageSettings
    | FilmNetSettings
    | GaussianSettings
    | PolicySettings
    | ShapedSettings
    | TextSettings
)

__all__ = [
    "MLP",
    "Conv4",
    "Conv4Settings",
    "FilmNet",
    "FilmNetSettings",
    "Gaussian",
    "GaussianSettings",
    "MLPSettings",
    "MixedSettings",
    "Mixture",
    "ModelSettings",
    "NGramMLP",
    "NGramMLPSettings",
    "Policy",
    "PolicySettings",
    "Shaped",
    "ShapedSettings",
    "TextCNN",
    "TextCNNSettings",
    "TextTransformer",
    "TextTransformerSettings",
]
