"""ANML: a second network says which features may speak, and so which may be learned.

Beaulieu, Frati, Miconi, Lehman, Stanley, Clune and Cheney (2020), Learning to Continually Learn,
arXiv:2002.09571.

    g(x)     = sigmoid(neuromodulatory network(x))          which no inner step changes
    logits   = W (g(x) * h(x))                              h: the prediction network below W
    W_j+1    = W_j - alpha * gradient of loss(W_j, x_j, y_j)   so a closed gate shields its weights
    g, h    <- minus beta * gradient of the loss of W_k on the query, all classes asked at the end

The gate acts on what is predicted and, since it multiplies the gradient too, on what is learned.
As when the paper's learner is tested, W alone moves in the inner loop; the paper's training moves h
there too.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from workbench.algorithms.classes import check_classification
from workbench.algorithms.continual.oml import OML, OMLSettings, width_of
from workbench.algorithms.values import Adapted
from workbench.innerloop import check_stackable
from workbench.models import ModelSettings
from workbench.tasks.base import TaskSpec


@dataclass(frozen=True)
class ANMLSettings(OMLSettings):
    """A gate over features, learned for online updates."""

    def build(self, model: ModelSettings, spec: TaskSpec) -> ANML:
        """The learner around two networks like the model: what is seen, and the gate."""
        check_classification(spec, "ANML")
        body, gate = (model.build(spec.input_shape, None) for _ in range(2))
        return ANML(body, gate, width_of(body, spec), self)


class ANML(OML):
    """Learns a stream by single updates behind a gate; meta-learns gate and features.

    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> learner = ANML(MLP(64, None), MLP(64, None), 40)
    >>> gate = learner.gates(learner.begin(episode), episode.query.x)
    >>> bool(((gate > 0) & (gate < 1)).all())
    True
    """

    def __init__(
        self,
        body: nn.Module,
        gate: nn.Module,
        features: int,
        settings: ANMLSettings = ANMLSettings(),
    ) -> None:
        super().__init__(body, features, settings)
        check_stackable(gate)
        self.gate = gate

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """g(x) * h(x), `[task, example, feature]`."""
        seen = super().embed(adapted, x, weight, support=support)
        return seen * self.gates(adapted, x, weight, support=support)

    def gates(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """How far each feature may speak, from 0 to 1."""
        return self.vectors(self.gate, x, adapted, weight, support=support).sigmoid()
