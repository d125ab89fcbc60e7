"""Differentiable inner loops over batches of tasks.

forward_tasks    run a plain `nn.Module` over tasks, with weights of their own or shared
InnerLoop        one gradient step as a pure function of values: order, clipping, rematerialising
UpdateRule       how weights move along a gradient: a part to be exchanged
InnerOptimizer   settings of the classic rules: SGD, momentum, Adam, AdamW, RMSprop
LSTMRule         a learned rule: an LSTM for each coordinate
MomentRule       a learned rule that starts as Adam: a small net on moments
LearnedOptimizer any rule as a `torch.optim.Optimizer`
Compiled         a pure function of tensors, traced, compiled and certified against itself
implicit         tie found weights to their start by implicit gradients
"""

from workbench.innerloop.as_task import plain_dimensions
from workbench.innerloop.compiled import Certificate, Compiled
from workbench.innerloop.forward import forward_tasks
from workbench.innerloop.learned import LSTMRule, LSTMRuleSettings
from workbench.innerloop.learned_optimizer import LearnedOptimizer
from workbench.innerloop.loop import (
    InnerLoop,
    Order,
    clip_each_task,
    implicit,
    named_derivatives,
    weights_of,
)
from workbench.innerloop.meeting import check_stackable, may_draw
from workbench.innerloop.moments import MomentRule, MomentRuleSettings
from workbench.innerloop.optimizers import Classic, InnerOptimizer
from workbench.innerloop.rules import Rate, RuleSettings, UpdateRule

__all__ = [
    "Certificate",
    "Classic",
    "Compiled",
    "InnerLoop",
    "InnerOptimizer",
    "LSTMRule",
    "LSTMRuleSettings",
    "LearnedOptimizer",
    "MomentRule",
    "MomentRuleSettings",
    "Order",
    "Rate",
    "RuleSettings",
    "UpdateRule",
    "check_stackable",
    "clip_each_task",
    "forward_tasks",
    "implicit",
    "may_draw",
    "named_derivatives",
    "plain_dimensions",
    "weights_of",
]
