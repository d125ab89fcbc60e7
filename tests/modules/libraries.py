"""Modules of torchvision, timm and transformers, in tiny random configurations; nothing is fetched.

Where the libraries are not installed there are no cases, and a line says so.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tests.modules.shapes import Case

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

PHOTO = (3, 32, 32)


def stateless(model: nn.Module) -> nn.Module:
    """Batch normalisation by batch statistics alone, as `track_running_stats=False` builds it."""
    for m in model.modules():
        if getattr(m, "track_running_stats", False):
            m.track_running_stats = False
            m.running_mean = m.running_var = m.num_batches_tracked = None
    return model


def groups(channels: int) -> nn.Module:
    return nn.GroupNorm(2, channels)


# ---- torchvision ------------------------------------------------------------------------------


def _operators() -> None:
    """torchvision declares its compiled operators when they load, which they need not here."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)


_KEPT: list[object] = []


def _torchvision() -> dict[str, Case]:
    try:
        from torchvision import models
    except RuntimeError:  # built for another torch than this one
        _operators()
        from torchvision import models
    from torchvision.models.mobilenetv2 import InvertedResidual
    from torchvision.models.resnet import BasicBlock, Bottleneck
    from torchvision.models.squeezenet import Fire
    from torchvision.models.vision_transformer import VisionTransformer
    from torchvision.ops import MLP, SqueezeExcitation, StochasticDepth

    def ending(*layers: nn.Module, features: int) -> nn.Module:
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 2))

    def resnet(norm: Callable[[int], nn.Module]) -> nn.Module:
        return models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=2, norm_layer=norm)

    def down(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1), groups(outputs))

    small = (3, 8, 8)
    return {
        "ResNet with group norm": Case(partial(resnet, groups), PHOTO),
        "ResNet block": Case(
            lambda: ending(
                nn.Conv2d(3, 4, 3), BasicBlock(4, 8, 1, down(4, 8), norm_layer=groups), features=8
            ),
            small,
        ),
        "ResNet block, batch norm": Case(
            lambda: stateless(ending(nn.Conv2d(3, 4, 3), BasicBlock(4, 4), features=4)), small
        ),
        "bottleneck": Case(
            lambda: ending(nn.Conv2d(3, 8, 3), Bottleneck(8, 2, norm_layer=groups), features=8),
            small,
        ),
        "inverted residual": Case(
            lambda: ending(
                nn.Conv2d(3, 4, 3), InvertedResidual(4, 4, 1, 2, norm_layer=groups), features=4
            ),
            small,
        ),
        "fire": Case(lambda: ending(Fire(3, 2, 4, 4), features=8), small),
        "squeeze excitation": Case(
            lambda: ending(nn.Conv2d(3, 4, 3), SqueezeExcitation(4, 2), features=4), small
        ),
        "vision transformer": Case(
            lambda: VisionTransformer(8, 4, 2, 2, 8, 16, num_classes=2), small
        ),
        "torchvision MLP": Case(lambda: MLP(3, [6, 2], norm_layer=nn.LayerNorm), (3,)),
        "stochastic depth, asleep": Case(
            lambda: nn.Sequential(
                nn.Linear(3, 6), StochasticDepth(0.5, "row"), nn.Tanh(), nn.Linear(6, 2)
            ).eval(),
            (3,),
        ),
    }  # fmt: skip


# ---- timm -------------------------------------------------------------------------------------


def _timm() -> dict[str, Case]:
    timm = importlib.import_module("timm")
    layers = importlib.import_module("timm.layers")
    fasternet = importlib.import_module("timm.models.fasternet")

    def model(name: str, **options: Any) -> nn.Module:
        return stateless(timm.create_model(name, num_classes=2, **options)).eval()

    def ending(body: nn.Module, width: int) -> nn.Module:
        return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))

    names = ("test_vit", "test_resnet", "test_convnext", "test_byobnet", "test_nfnet")
    return {
        **{f"timm {n}": Case(partial(model, n), PHOTO) for n in names},
        "FasterNet": Case(
            partial(model, "fasternet_t0", embed_dim=8, depths=(1, 1, 1, 1), feature_dim=16),
            (3, 64, 64),
        ),
        "partial convolution": Case(lambda: ending(fasternet.Partial_conv3(4, 2, "split_cat"), 4),
                                    (4, 6, 6)),
        "timm MLP": Case(lambda: nn.Sequential(layers.Mlp(3, 6, 2), nn.Tanh()), (3,)),
        "timm attention": Case(
            lambda: nn.Sequential(layers.Attention(8, 2), nn.Flatten(), nn.Linear(24, 2)), (3, 8)
        ),
        "timm SE": Case(lambda: ending(layers.SEModule(4, rd_channels=2), 4), (4, 5, 5)),
        "timm ECA": Case(lambda: ending(layers.EcaModule(4), 4), (4, 5, 5)),
    }  # fmt: skip


# ---- transformers -----------------------------------------------------------------------------


class Logits(nn.Module):
    """A model of transformers that gives one tensor, as learners need it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).logits


def _transformers() -> dict[str, Case]:
    hf = importlib.import_module("transformers")
    size = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": 20, "pad_token_id": 0, "num_labels": 2, "intermediate_size": 12}
    gpt = {"vocab_size": 20, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16}

    def of(kind: str, **options: Any) -> nn.Module:
        config = getattr(hf, f"{kind}Config")(**options)
        return Logits(getattr(hf, f"{kind}For{_HEADS.get(kind, 'SequenceClassification')}")(config))

    def sleeping(kind: str, **options: Any) -> nn.Module:
        return of(kind, **options).eval()

    tokens = {
        "BERT": partial(sleeping, "Bert", **size, **text),
        "BERT, eager": partial(sleeping, "Bert", **size, **text, attn_implementation="eager"),
        "RoBERTa": partial(sleeping, "Roberta", **size, **text),
        "ALBERT": partial(sleeping, "Albert", **size, **text, embedding_size=6),
        "ELECTRA": partial(sleeping, "Electra", **size, **text, embedding_size=6),
        "DistilBERT": partial(
            sleeping, "DistilBert", dim=8, n_layers=2, n_heads=2, hidden_dim=12, vocab_size=20,
            num_labels=2,
        ),
        "GPT-2": partial(sleeping, "GPT2", **gpt, pad_token_id=0, num_labels=2),
        "GPT-NeoX": partial(sleeping, "GPTNeoX", **size, **text),
        "OPT": partial(
            sleeping, "OPT", **size, vocab_size=20, ffn_dim=12, pad_token_id=0, num_labels=2,
            word_embed_proj_dim=8, max_position_embeddings=32,
        ),
        "Llama": partial(sleeping, "Llama", **size, **text),
        "Mistral": partial(sleeping, "Mistral", **size, **text, num_key_value_heads=2),
        "Qwen 2": partial(sleeping, "Qwen2", **size, **text, num_key_value_heads=2),
    }  # fmt: skip
    vision = {**size, "intermediate_size": 12, "image_size": 8, "patch_size": 4, "num_labels": 2}
    return {
        **{name: Case(build, (6,), items=20) for name, build in tokens.items()},
        "ViT": Case(partial(sleeping, "ViT", **vision), (3, 8, 8)),
        "DeiT": Case(partial(sleeping, "DeiT", **vision), (3, 8, 8)),
    }


_HEADS = dict.fromkeys(("ViT", "DeiT"), "ImageClassification")


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


LIBRARIES: dict[str, Case] = {}
MISSING: list[str] = []
for _name, _cases in (
    ("torchvision", _torchvision), ("timm", _timm), ("transformers", _transformers)
):  # fmt: skip
    if _installed(_name):
        LIBRARIES |= _cases()
    else:
        MISSING.append(_name)
