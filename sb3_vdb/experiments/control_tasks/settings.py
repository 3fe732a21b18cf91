"""The tasks of the study, the experts, and the methods with their generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sb3_vdb.experiments.experts.training import ExpertSettings

THEIRS = "GAIL of imitation, PPO"  # of the second dependency stack
N_DEMONSTRATIONS = 10
N_ENVS = {"PPO": 8, "SAC": 1}


class ControlTask(NamedTuple):
    """A task, its expert and its budgets.

    :param env_id: as in Gymnasium 1.x
    :param old_env_id: as in Gymnasium 0.29, for the second stack
    :param aim: mean return at which the training of the expert ends
    :param expert_steps: at most, of the expert
    :param steps: of a run, by generator; of cloning, updates
    :param ppo: arguments of PPO that are not SB3's defaults
    :param normalize: whether PPO sees normalised observations
    :param ends: whether episodes can end by themselves
    """

    env_id: str
    old_env_id: str
    aim: float
    expert_steps: int
    steps: Mapping[str, int]
    ppo: Mapping[str, Any]
    normalize: bool = False
    ends: bool = True


CLONING = 10_000  # updates
# networks and rates of PPO for these tasks are those of rl-zoo3, rounded
TASKS: Mapping[str, ControlTask] = {
    "Pendulum": ControlTask(
        "Pendulum-v1",
        "Pendulum-v1",
        aim=-160.0,
        expert_steps=40_000,
        steps={"PPO": 100_000, "SAC": 5_000, "BC": CLONING},
        ppo={"gamma": 0.9, "learning_rate": 1e-3, "use_sde": True, "sde_sample_freq": 4},
        ends=False,
    ),
    "InvertedPendulum": ControlTask(
        "InvertedPendulum-v5",
        "InvertedPendulum-v4",
        aim=1000.0,
        expert_steps=40_000,
        steps={"PPO": 60_000, "SAC": 5_000, "BC": CLONING},
        ppo={},
        normalize=True,
    ),
    "Hopper": ControlTask(
        "Hopper-v5",
        "Hopper-v4",
        aim=3000.0,
        expert_steps=100_000,
        steps={"PPO": 300_000, "SAC": 20_000, "BC": CLONING},
        ppo={"gamma": 0.995, "gae_lambda": 0.95},
        normalize=True,
    ),
    "HalfCheetah": ControlTask(
        "HalfCheetah-v5",
        "HalfCheetah-v4",
        aim=5000.0,
        expert_steps=100_000,
        steps={"PPO": 300_000, "SAC": 20_000, "BC": CLONING},
        ppo={"gamma": 0.98, "gae_lambda": 0.92},
        normalize=True,
        ends=False,
    ),
}
EXPERT = ExpertSettings(
    n_envs=8, updates=4, first_steps=1_000, evaluate_every=4_000, action_repeat=1
)


class Row(NamedTuple):
    """A row of the table.

    :param method: of :data:`~sb3_vdb.methods.METHODS`
    :param generator: that learns from its reward; None for cloning
    """

    method: str
    generator: str | None


ROWS: Mapping[str, Row] = {
    "BC": Row("bc", None),
    THEIRS: Row("gail", "PPO"),
    "GAIL, PPO": Row("gail", "PPO"),
    "VAIL, PPO": Row("vail", "PPO"),
    "VAIL-GP, PPO": Row("vail-gp", "PPO"),
    "GAIL, SAC": Row("gail", "SAC"),
    "VAIL, SAC": Row("vail", "SAC"),
    "VAIL-GP, SAC": Row("vail-gp", "SAC"),
    "DAC, SAC": Row("dac", "SAC"),
    "SQIL, SAC": Row("sqil", "SAC"),
}
