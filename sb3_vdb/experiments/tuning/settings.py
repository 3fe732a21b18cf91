"""The tasks of the tuning study and what is varied in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sb3_contrib import TRPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial import GAIL, VAIL, VAIRL
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.pretrained import load_pretrained
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb_envs.maze import WaypointController

INFORMATION_LIMIT = 0.5  # nats, where a case says nothing else
STEP_SIZES = (1e-5, 1e-3, 1e-2)
EXPERT_SEED, EVALUATION_SEED = 10_000, 20_000


class Task(NamedTuple):
    """What is learned, by which algorithms.

    :param env_id: environment
    :param n_envs: copies of it
    :param steps: environment steps of a run
    :param trainer: class of the trainer
    :param arguments: of the trainer
    :param generator: makes the generator from environments and a seed
    :param expert: makes what demonstrates
    :param n_demonstrations: episodes
    """

    env_id: str
    n_envs: int
    steps: int
    trainer: type[AdversarialTrainer]
    arguments: Mapping[str, Any]
    generator: Callable[[VecEnv, int], BaseAlgorithm]
    expert: Callable[[], Any]
    n_demonstrations: int

    def environments(self, n: int, seed: int) -> VecEnv:
        """Make environments of the task."""
        return make_vec_env(self.env_id, n, seed=seed)

    def demonstrations(self, seed: int) -> Demonstrations:
        """Record the expert."""
        venv = self.environments(min(10, self.n_demonstrations), EXPERT_SEED + seed)
        return Demonstrations.from_rollouts(self.expert(), venv, self.n_demonstrations)

    def make(self, seed: int, log_dir: str, **case: Any) -> AdversarialTrainer:
        """Make a trainer.

        :param seed: of the run
        :param log_dir: where it logs
        :param case: arguments in place of the task's; ``information_limit=None`` takes the
            bottleneck away
        """
        arguments = {"information_limit": INFORMATION_LIMIT, **self.arguments, **case}
        kind = self.trainer
        if arguments["information_limit"] is None:
            kind = GAIL
            del arguments["information_limit"]
        venv = self.environments(self.n_envs, 1000 * seed)
        generator = self.generator(venv, seed)
        demonstrations = self.demonstrations(seed)
        return kind(demonstrations, venv, generator, seed=seed, log_dir=log_dir, **arguments)


def _trpo(venv: VecEnv, seed: int) -> TRPO:
    return TRPO("MlpPolicy", venv, n_steps=100, batch_size=500, seed=seed, device="cpu")


def _ppo(venv: VecEnv, seed: int) -> PPO:
    return PPO("MlpPolicy", venv, n_steps=32, batch_size=512, n_epochs=4, seed=seed, device="cpu")


def _sac(venv: VecEnv, seed: int) -> SAC:
    return SAC("MlpPolicy", venv, learning_starts=1000, gradient_steps=-1, seed=seed, device="cpu")


def _maze_expert() -> WaypointController:
    return WaypointController("c_maze")


# the papers' motions and mazes, with a discriminator of the default size and step size
TASKS: Mapping[str, Task] = {
    "maze, VAIL": Task(
        "sb3_vdb/CMaze-v0", 10, 60_000, VAIL, {"reward_type": "log_d"}, _trpo, _maze_expert, 20
    ),
    "maze, VAIRL": Task("sb3_vdb/CMaze-v0", 10, 60_000, VAIRL, {}, _trpo, _maze_expert, 20),
    "maze, VAIL with SAC": Task(
        "sb3_vdb/CMaze-v0",
        4,
        16_000,
        VAIL,
        {"reward_type": "log_d", "gen_train_timesteps": 256},
        _sac,
        _maze_expert,
        20,
    ),
    "humanoid walk, VAIL": Task(
        "sb3_vdb/HumanoidWalk-v0",
        64,
        130_000,
        VAIL,
        {},
        _ppo,
        lambda: load_pretrained("sb3_vdb/HumanoidWalk-v0"),
        4,
    ),
}

SHOWN_TASK = "maze, VAIL"  # whose curves the guide shows
# what a healthy run and three sick ones look like
CASES: Mapping[str, Mapping[str, Any]] = {
    "healthy": {},
    "too strong": {"information_limit": None, "n_disc_updates_per_round": 64},
    "collapsed": {"information_limit": 0.001, "beta": 10.0},
    "slack": {"information_limit": 50.0},
}
