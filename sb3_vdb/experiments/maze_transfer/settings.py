"""Sizes, budgets and methods of the transfer between mazes, and the paper's results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial import AIRL, GAIL, VAIL, VAIRL
from sb3_vdb.discriminators import PenaltyTarget
from sb3_vdb.experiments.framework.method import Method
from sb3_vdb.vec_env import make_vec_env

MazeName = Literal["C", "S"]
MAZES: tuple[MazeName, ...] = ("C", "S")
EPISODE_STEPS = 100
PHASES = ("expert", "irl", "retraining")

NO_PENALTY: Mapping[str, Any] = {"grad_penalty_coef": 0.0}
NO_PRICE: Mapping[str, Any] = {"beta": 0.0, "beta_step_size": 0.0}  # codes are sampled, free
# the paper's table; changes are those of TransferSettings
MAZE_METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "GAIL": Method(GAIL, NO_PENALTY),
        "VAIL": Method(VAIL, NO_PENALTY),
        "AIRL": Method(AIRL, NO_PENALTY),
        "AIRL-GP": Method(AIRL),
        "VAIRL-beta0": Method(VAIRL, {**NO_PENALTY, **NO_PRICE}),
        "VAIRL": Method(VAIRL, NO_PENALTY),
        "VAIRL-GP": Method(VAIRL),
    }
)
WITH_BOTTLENECK = (VAIL, VAIRL)
IMITATION = (GAIL, VAIL)  # their rewards look at actions; those of inverse RL at states alone
EXPERT = "expert"  # its row of tables
# Figure 7 (table): true return in the flipped maze, mean and standard deviation over five runs
PAPER_RETURNS: Mapping[str, Mapping[MazeName, tuple[float, float]]] = MappingProxyType(
    {
        "GAIL": {"C": (-24.6, 7.2), "S": (1.0, 1.3)},
        "VAIL": {"C": (-65.6, 18.9), "S": (20.8, 39.7)},
        "AIRL": {"C": (-15.3, 7.8), "S": (-0.2, 0.1)},
        "AIRL-GP": {"C": (-9.14, 0.4), "S": (-0.14, 0.3)},
        "VAIRL-beta0": {"C": (-25.5, 7.2), "S": (62.3, 33.2)},
        "VAIRL": {"C": (-10.0, 2.2), "S": (74.0, 38.7)},
        "VAIRL-GP": {"C": (-9.18, 0.4), "S": (156.5, 5.6)},
        EXPERT: {"C": (-5.1, 0.0), "S": (153.2, 0.0)},
    }
)
SOLVED: Mapping[MazeName, float] = MappingProxyType({"C": -12.0, "S": 100.0})

# of a policy that pushes against the first wall on the straight way to the goal
STUCK_RETURNS: Mapping[MazeName, float] = MappingProxyType({"C": -26.5, "S": 0.15})

RewardTop = Literal["map", "demonstrators"]
REWARD_TOPS: tuple[RewardTop, ...] = ("map", "demonstrators")


@dataclass(frozen=True)
class PolicySettings:
    """TRPO in one phase.

    :param iterations: policy updates
    :param mazes: episodes of 100 steps in a batch
    :param std: initial standard deviation of the actions, as a share of the force limit
    :param target_kl: step size in nats, summed over the action's dimensions
    :param gae_lambda: lambda of the advantages
    :param baseline: ``"critic"``, a network like the policy's, or ``"linear"``, a regression on
        position and time that starts anew at the end of an episode (the authors' code)
    :param activation: ``"relu"`` or ``"tanh"``
    :param ent_coef: weight of an entropy bonus added to normalised advantages
    :param scaled_inputs: whether networks see positions scaled to [-1, 1] or as they are
    """

    iterations: int
    mazes: int = 100
    std: float = 1.0
    target_kl: float = 0.01
    gae_lambda: float = 0.97
    baseline: Literal["critic", "linear"] = "critic"
    activation: Literal["relu", "tanh"] = "tanh"
    ent_coef: float = 0.0
    scaled_inputs: bool = True

    @property
    def steps(self) -> int:
        """Environment steps in all."""
        return self.iterations * self.mazes * EPISODE_STEPS


@dataclass(frozen=True)
class TransferSettings:
    """All settings of the transfer in one maze.

    :param maze: ``"C"`` or ``"S"``
    :param expert: TRPO on the task's own reward
    :param irl: TRPO on the reward that is being learned
    :param retraining: TRPO on the frozen reward in the flipped maze
    :param demo_policies: the expert's last policies that demonstrations come from
    :param demos_per_policy: episodes recorded from each
    :param demo_batch_size: expert samples in a discriminator update
    :param n_disc_updates_per_round: discriminator updates in a round
    :param disc_learning_rate: Adam's step size
    :param gail_learning_rate: the same for GAIL and VAIL
    :param information_limit: I_c in nats, summed over all codes
    :param beta: initial dual variable
    :param beta_step_size: alpha_beta
    :param grad_penalty_coef: w_GP of the methods with a gradient penalty
    :param grad_penalty_target: what the penalty is taken of
    :param potential_gamma: discount of the potential h; None for the policy's
    :param scaled_inputs: whether reward networks see positions scaled to [-1, 1] or as they are
    :param reward_power: exponent of the frozen reward's distance from its top
    :param reward_top: what the top is: the maximum of the reward's ``"map"``, or the reward where
        the ``"demonstrators"`` settle, with nothing paid for more
    :param max_rewards: learned, each with another seed, until a retraining is not stuck; the last
        one counts
    :param max_retrainings: on a reward, each with another seed, until one is not stuck
    :param stuck_shortfall: how far below the demonstrators' a new policy may settle in the learned
        reward, as a share of the map's range, before it counts as stuck
    :param snapshot_every: rounds between two snapshots of the reward
    :param force_limit: of the training maze, largest force along each axis in N; None for its own
    :param test_force_limit: the same of the flipped maze
    """

    maze: MazeName
    expert: PolicySettings
    irl: PolicySettings
    retraining: PolicySettings
    demo_policies: int = 5
    demos_per_policy: int = 107
    demo_batch_size: int = 32
    n_disc_updates_per_round: int = 100
    disc_learning_rate: float = 5e-5
    gail_learning_rate: float = 5e-5
    information_limit: float = 0.5
    beta: float = 0.005
    beta_step_size: float = 1e-5
    grad_penalty_coef: float = 0.1
    grad_penalty_target: PenaltyTarget = "logits"
    potential_gamma: float | None = None
    scaled_inputs: bool = True
    reward_power: float = 1.0
    reward_top: RewardTop = "map"
    max_rewards: int = 1
    max_retrainings: int = 1
    stuck_shortfall: float = 0.15
    snapshot_every: int = 20
    force_limit: float | None = None
    test_force_limit: float | None = None

    def __post_init__(self) -> None:
        if self.reward_top not in REWARD_TOPS:
            raise ValueError(
                f"`reward_top` must be one of {', '.join(REWARD_TOPS)}, got {self.reward_top!r}"
            )
        for name in ("max_retrainings", "max_rewards"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")

    @property
    def train_env(self) -> str:
        """Id of the maze in which the reward is learned."""
        return f"sb3_vdb/{self.maze}Maze-v0"

    @property
    def test_env(self) -> str:
        """Id of the flipped maze."""
        return f"sb3_vdb/{self.maze}MazeFlipped-v0"

    @property
    def guide(self) -> PolicySettings:
        """TRPO on the true reward in the flipped maze: the expert's, unless the forces differ."""
        if self.test_force_limit == self.force_limit:
            return self.expert
        return replace(self.expert, std=self.retraining.std)

    def train_mazes(self, n: int, seed: int) -> VecEnv:
        """Make mazes in which the reward is learned."""
        return make_vec_env(self.train_env, n, seed, env_kwargs={"force_limit": self.force_limit})

    def test_mazes(self, n: int, seed: int) -> VecEnv:
        """Make flipped mazes."""
        kwargs = {"force_limit": self.test_force_limit}
        return make_vec_env(self.test_env, n, seed, env_kwargs=kwargs)

    def shortened(self, share: float) -> TransferSettings:
        """Return the same with only a share of every phase's iterations, for trying it out."""
        phases = {
            name: replace(phase, iterations=max(1, math.ceil(share * phase.iterations)))
            for name, phase in self.phases().items()
        }
        n = min(self.demo_policies, phases["expert"].iterations)
        return replace(self, demo_policies=n, **phases)  # type: ignore[arg-type]

    def changed(self, changes: Mapping[str, Any]) -> TransferSettings:
        """Return the same with other values.

        :param changes: by name, those of a phase as ``"retraining.std"``
        :raises ValueError: there is no such setting
        """
        settings = self
        for name, value in changes.items():
            phase, _, field = name.rpartition(".")
            owner: Any = settings.phases().get(phase) if phase else settings
            if owner is None or field not in {each.name for each in fields(owner)}:
                raise ValueError(f"there is no setting {name!r}; see TransferSettings")
            new: Any = replace(owner, **{field: value})
            settings = replace(settings, **{phase: new}) if phase else new
        return settings

    def phases(self) -> dict[str, PolicySettings]:
        """Return the settings of TRPO by phase."""
        return {name: getattr(self, name) for name in PHASES}
