"""Small learners in a small environment, which every trial is done to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_vdb.adversarial import AIRL, GAIL, VAIL
from sb3_vdb.baselines import BehaviouralCloning, DeepMimicPPO
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.vmail import VMAIL

N_ENVS, EPISODE_STEPS = 2, 20
ROUND = 40  # steps of all environments
FAULT_AT = 50  # step of an environment at which a fault appears, in its third episode
PLACES = ("reset", "step", "terminal", "truncated", "reward")


class Fault(NamedTuple):
    """A value that is not finite.

    :param place: one of :data:`PLACES`
    :param value: NaN or infinite
    """

    place: str
    value: float


class Point(gym.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """A point that goes where it is pushed.

    :param fault: what appears from step :data:`FAULT_AT` on; None for a sound environment
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.fault, self.clock, self.within = fault, 0, 0
        self.state = np.zeros(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin at random."""
        super().reset(seed=seed)
        self.state, self.within = self.np_random.uniform(-1.0, 1.0, 3), 0
        return self._observation("reset"), {}

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Push."""
        self.clock, self.within = self.clock + 1, self.within + 1
        pushed = 0.1 * np.asarray(action, dtype=np.float64)
        self.state = 0.95 * self.state + np.append(pushed, 0.0)
        ended = self.within >= EPISODE_STEPS
        terminated = ended and self.fault is not None and self.fault.place == "terminal"
        place = "step" if not ended else ("terminal" if terminated else "truncated")
        reward = -float(np.abs(self.state).sum())
        if self._is_due("reward"):
            assert self.fault is not None
            reward = self.fault.value
        return self._observation(place), reward, terminated, ended and not terminated, {}

    def _is_due(self, place: str) -> bool:
        return self.fault is not None and self.fault.place == place and self.clock >= FAULT_AT

    def _observation(self, place: str) -> npt.NDArray[np.float32]:
        observation = self.state.astype(np.float32)
        if self._is_due(place):
            assert self.fault is not None
            observation[1] = self.fault.value
        return observation


def make_venv(fault: Fault | None = None) -> VecEnv:
    """Make two environments; the fault is in the second."""
    venv = DummyVecEnv([Point, lambda: Point(fault)])
    venv.seed(0)
    return venv


def make_demonstrations(n: int = 3) -> Demonstrations:
    """Play a controller that goes to the middle."""
    env, observations, actions = Point(), [], []
    for seed in range(n):
        observation, _ = env.reset(seed=seed)
        episode, pushes = [observation], []
        for _ in range(EPISODE_STEPS):
            pushes.append(np.clip(-3.0 * episode[-1][:2], -1.0, 1.0))
            episode.append(env.step(pushes[-1])[0])
        observations.append(np.stack(episode))
        actions.append(np.stack(pushes))
    return Demonstrations.from_arrays(observations, actions)


def _adversarial(kind: Any, generator: Any) -> Callable[..., Any]:
    def make(folder: Path, fault: Fault | None = None, **changes: Any) -> Any:
        venv = make_venv(fault)
        arguments = {
            "demo_batch_size": 20,
            "n_disc_updates_per_round": 2,
            "log_dir": folder,
            "seed": 0,
            "device": "cpu",
            "trace_updates": False,
            "discriminator_kwargs": {"trunk_kwargs": {"net_arch": (16,)}},
        }
        if generator is SAC:
            arguments["gen_train_timesteps"] = ROUND
        return kind(
            make_demonstrations(), venv, make_generator(generator, venv), **{**arguments, **changes}
        )

    return make


def make_generator(kind: type[PPO] | type[SAC], venv: VecEnv) -> PPO | SAC:
    """Make a small generator."""
    sizes: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, "seed": 0, "device": "cpu"}
    if kind is SAC:
        rhythm: Any = {"learning_starts": 20, "train_freq": 10, "buffer_size": 500}
        return SAC("MlpPolicy", venv, gradient_steps=1, batch_size=16, **rhythm, **sizes)
    n_steps = ROUND // N_ENVS
    return PPO("MlpPolicy", venv, n_steps=n_steps, batch_size=20, n_epochs=1, **sizes)


def make_vmail(folder: Path, fault: Fault | None = None, **changes: Any) -> VMAIL:
    """Make a small V-MAIL."""
    sizes = {
        "deter_dim": 8,
        "stoch_dim": 4,
        "hidden_dim": 8,
        "units": 8,
        "actor_layers": 1,
        "value_layers": 1,
        "discriminator_net_arch": (8,),
    }
    arguments: dict[str, Any] = {
        "batch_size": 2,
        "sequence_length": 5,
        "train_freq": 10,
        "gradient_steps": 1,
        "pretrain_steps": 1,
        "horizon": 2,
        "buffer_size": 200,
        "seed": 0,
        "device": "cpu",
        "tensorboard_log": str(folder),
        "policy_kwargs": sizes,
    }
    demonstrations = changes.pop("demonstrations", None) or make_demonstrations()
    return VMAIL("MlpPolicy", make_venv(fault), demonstrations, **{**arguments, **changes})


def make_deepmimic(folder: Path, fault: Fault | None = None, **changes: Any) -> DeepMimicPPO:
    """Make a small DeepMimicPPO."""
    arguments: dict[str, Any] = {
        "n_steps": ROUND // N_ENVS,
        "batch_size": 20,
        "n_epochs": 1,
        "policy_kwargs": {"net_arch": [16]},
        "seed": 0,
        "device": "cpu",
    }
    return DeepMimicPPO(env=make_venv(fault), **{**arguments, **changes})


def make_cloning(**changes: Any) -> BehaviouralCloning:
    """Make a small behavioural cloning."""
    demonstrations = changes.pop("demonstrations", None) or make_demonstrations()
    arguments = {"policy_kwargs": {"units": 16}, "seed": 0, "device": "cpu"}
    return BehaviouralCloning(make_venv(), demonstrations, **{**arguments, **changes})


# learners that act in environments, by their name on the page
ACTING: dict[str, Callable[..., Any]] = {
    "GAIL with PPO": _adversarial(GAIL, PPO),
    "AIRL with PPO": _adversarial(AIRL, PPO),
    "VAIL with SAC": _adversarial(VAIL, SAC),
    "V-MAIL": make_vmail,
    "DeepMimicPPO": make_deepmimic,
}
KINDS: dict[str, Any] = {"GAIL with PPO": GAIL, "AIRL with PPO": AIRL, "VAIL with SAC": VAIL}


class AtStep(BaseCallback):
    """Does something once, at a step.

    :param step: of all environments
    :param action: what is done; takes the algorithm
    """

    def __init__(self, step: int, action: Callable[[Any], None]) -> None:
        super().__init__()
        self.step, self.action, self.is_done = step, action, False

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.step and not self.is_done:
            self.is_done = True
            self.action(self.model)
        return True


class Quiet(warnings.catch_warnings):
    """A block in which warnings are not shown: trials cause many."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
