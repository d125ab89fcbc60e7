"""Differentiable inner loops over batches of tasks.

forward_tasks    run a plain `nn.Module` over tasks, with weights of their own or shared
InnerLoop        one gradient step as a pure function of values: order, clipping, rematerialising
UpdateRule       how weights move along a gradient: a part to be exchanged
InnerOptimizer   settings of the classic rules: SGD, momentum, Adam, AdamW, RMSprop
LSTMRule         a learned rule: an LSTM for each coordinate
MomentRule       a learned rule that starts as Adam: a small net on moments
LearnedOptimizer any rule as a `torch.optim.Optimizer`
Certified        a pure function of tensors, computed another way and certified against itself
Compiled         the way of tracing and compiling it
Captured         the way of capturing it in a CUDA graph
computing        in what precision a GPU computes, for a while
Quantised        a rule whose steps end on a grid, and so have no derivative
implicit         tie found weights to their start by implicit gradients
"""

from workbench.innerloop.as_task import plain_dimensions
from workbench.innerloop.captured import Captured
from workbench.innerloop.certified import Certificate, Certified, Way, Ways
from workbench.innerloop.compiled import Compiled
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
from workbench.innerloop.precision import Precision, computing
from workbench.innerloop.quantised import Quantised, QuantisedOptimizer
from workbench.innerloop.rules import Rate, RuleSettings, UpdateRule

__all__ = [
    "Captured",
    "Certificate",
    "Certified",
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
    "Precision",
    "Quantised",
    "QuantisedOptimizer",
    "Rate",
    "RuleSettings",
    "UpdateRule",
    "Way",
    "Ways",
    "check_stackable",
    "clip_each_task",
    "computing",
    "forward_tasks",
    "implicit",
    "may_draw",
    "named_derivatives",
    "plain_dimensions",
    "weights_of",
]
