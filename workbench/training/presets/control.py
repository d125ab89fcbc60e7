"""Learning while acting: bandits and MDPs as Duan et al. (2016) have them, grids and the plane.

Bandits are of 5 arms and 10 pulls (section 3.1), MDPs of 10 states, 5 actions and 10 episodes of 10
moves (section 3.2). There a reward is 1 on average, of any policy that knows nothing, and the
weights of the losses are those of values a tenth of the rewards' size.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.algorithms.control.rl2 import RL2Settings
from workbench.algorithms.estimators.ppo import PPO
from workbench.algorithms.memory.snail import SNAILSettings
from workbench.models import PolicySettings
from workbench.tasks import Shape
from workbench.training.experiment import Experiment, TrainingSettings

_BANDIT = Experiment(
    tasks="bandit",
    train=Shape(ways=5, shots=10, queries=0),
    test=Shape(ways=5, shots=10, queries=0),
    model=PolicySettings(),
    learner=RL2Settings(),
    training=TrainingSettings(
        iterations=3_000, tasks=256, rate=1e-2, schedule="linear", clip=1.0,
        validate_every=200, validation_tasks=1_000,
    ),
)  # fmt: skip


_BANDIT_SNAIL = replace(
    _BANDIT,
    learner=SNAILSettings(filters=32, length=16, width=32),
    training=replace(_BANDIT.training, rate=3e-3),
)

_MDP = Experiment(
    tasks="mdp",
    train=Shape(ways=5, shots=10, queries=0),
    test=Shape(ways=5, shots=10, queries=0),
    # torch has LSTM's way back on a CPU as one fused operation, and GRU's not: 2 to 3 times as fast
    model=PolicySettings(cell="lstm", hidden=128),
    learner=RL2Settings(
        trace=0.3, value_weight=0.065, entropy_weight=0.0013, prediction_weight=0.0133,
        usual_reward=1.0, reward_scale=0.1,
    ),
    estimator=PPO(),
    training=TrainingSettings(
        iterations=14_000, tasks=64, rate=3e-3, options={"eps": 1e-5}, schedule="linear", clip=0.15,
        validate_every=2_000, validation_tasks=300, compiled="off",
    ),
)  # fmt: skip

_MDP_SNAIL = replace(
    _MDP,
    model=PolicySettings(),
    learner=SNAILSettings(
        filters=32, length=32, width=32, trace=0.3, value_weight=0.065, entropy_weight=0.0013,
        prediction_weight=0.0133, usual_reward=1.0, reward_scale=0.1,
    ),
    training=replace(_MDP.training, iterations=24_000, rate=1e-3),
)  # fmt: skip

_GRID = Experiment(
    tasks="grid:goal",
    train=Shape(ways=5, shots=4, queries=0),
    test=Shape(ways=5, shots=4, queries=0),
    model=PolicySettings(hidden=64),
    learner=RL2Settings(
        trace=0.8, value_weight=0.1, entropy_weight=0.002, prediction_weight=0.02, reward_scale=0.05
    ),
    estimator=PPO(),
    training=TrainingSettings(
        iterations=4_000, tasks=64, rate=3e-3, options={"eps": 1e-5}, schedule="linear", clip=0.5,
        validate_every=500, validation_tasks=300, compiled="off",
    ),
)  # fmt: skip

_NAVIGATION = Experiment(
    tasks="navigation",
    train=Shape(ways=2, shots=2, queries=0),
    test=Shape(ways=2, shots=2, queries=0),
    model=PolicySettings(hidden=64),
    learner=RL2Settings(
        trace=0.9, value_weight=0.1, entropy_weight=0.0005, prediction_weight=1.0,
        usual_reward=-0.3, reward_scale=0.05,
    ),
    estimator=PPO(),
    training=TrainingSettings(
        iterations=8_000, tasks=64, rate=3e-3, options={"eps": 1e-5}, schedule="linear", clip=0.5,
        validate_every=1_000, validation_tasks=300, compiled="off",
    ),
)  # fmt: skip

PRESETS: dict[str, tuple[str, Experiment]] = {
    "bandit-rl2": ("RL²: a recurrent policy on bandits of 5 arms and 10 pulls", _BANDIT),
    "bandit-snail": ("SNAIL on the same bandits: attention in place of a state", _BANDIT_SNAIL),
    "mdp-rl2": ("RL² by PPO on MDPs of 10 states, in 10 episodes of 10 moves", _MDP),
    "mdp-snail": ("SNAIL on the same MDPs: attention in place of a state", _MDP_SNAIL),
    "grid-rl2": ("RL² by PPO on a grid whose goal is to be found, in 4 episodes", _GRID),
    "navigation-rl2": ("RL² by PPO in the plane: two ways to a goal that is not seen", _NAVIGATION),
}
