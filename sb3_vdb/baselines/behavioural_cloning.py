"""Behavioural cloning: the expert's actions by supervised learning, from pictures or vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, PyTorchObs
from stable_baselines3.common.utils import get_device
from torch import nn
from tqdm.auto import trange

from sb3_vdb.box_scaling import check_bounded_actions
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.networks import ObservationEncoder, PictureSettings, as_parts, initialize, mlp
from sb3_vdb.policy_files import FiledPolicy
from sb3_vdb.stored_episodes import stored_episodes


class ClonedPolicy(FiledPolicy):
    """Chooses an action for an observation; it has no memory.

    :param observation_space: pictures with channels first, vectors, or a Dict of both
    :param action_space: a Box
    :param units: width of the hidden layers
    :param n_layers: number of hidden layers
    :param cnn_depth: channels of the first convolution
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        units: int = 256,
        n_layers: int = 2,
        cnn_depth: int = 16,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True)
        self.sizes = {"units": units, "n_layers": n_layers, "cnn_depth": cnn_depth}
        assert action_space.shape is not None
        self.encoder = ObservationEncoder(
            observation_space, units, PictureSettings(depth=cnn_depth)
        )
        action_dim = int(np.prod(action_space.shape))
        self.head = mlp(self.encoder.embed_dim, units, n_layers, action_dim)
        self.apply(initialize)

    def forward(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        """Choose actions in [-1, 1], shape (batch, action_dim)."""
        normalized = self.encoder.normalize(as_parts(observation))
        return th.tanh(self.head(self.encoder(normalized)))

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        return self(observation)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        data = super()._get_constructor_parameters()
        del data["normalize_images"]
        return {**data, **self.sizes}


class BehaviouralCloning:
    """Learns the expert's actions from its observations, by the mean squared error.

    A policy without memory sees velocities in pictures only where several are stacked
    (``frame_stack=3`` in the pixel environments).

    :param env: environment that the demonstrations are of, for its spaces; it is not stepped
    :param demonstrations: expert episodes with actions
    :param learning_rate: of Adam
    :param batch_size: observations of an update
    :param weight_decay: of Adam
    :param policy_kwargs: sizes, see :class:`ClonedPolicy`
    :param seed: of weights and batches
    :param device: of the networks
    :raises ValueError: the demonstrations do not fit
    """

    def __init__(
        self,
        env: GymEnv,
        demonstrations: Demonstrations,
        learning_rate: float = 3e-4,
        batch_size: int = 128,
        weight_decay: float = 1e-4,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        device: th.device | str = "auto",
    ) -> None:
        venv = BaseAlgorithm._wrap_env(env)
        check_bounded_actions(venv.action_space, "BehaviouralCloning")
        assert isinstance(venv.action_space, gym.spaces.Box)
        episodes = stored_episodes(demonstrations, venv.observation_space, venv.action_space, 2)
        demonstrations.check_action_repeat(venv)
        self.device, self.batch_size = get_device(device), batch_size
        self._rng = np.random.default_rng(seed)
        if seed is not None:
            th.manual_seed(seed)
        policy = ClonedPolicy(venv.observation_space, venv.action_space, **(policy_kwargs or {}))
        self._observations = {
            name: np.concatenate([each.observations[name][:-1] for each in episodes])
            for name in policy.encoder.names
        }
        policy.encoder.fit([each.observations for each in episodes])
        self.policy = policy.to(self.device)
        self._actions = np.concatenate([each.actions for each in episodes])
        self.optimizer = th.optim.AdamW(
            policy.parameters(), lr=learning_rate, weight_decay=weight_decay
        )

    def learn(self, n_updates: int, progress_bar: bool = False) -> BehaviouralCloning:
        """Carry out updates of the policy.

        :param n_updates: how many
        :param progress_bar: show one
        """
        self.policy.set_training_mode(True)
        for _ in trange(n_updates, disable=not progress_bar):
            loss = self._loss(self._rng.integers(len(self._actions), size=self.batch_size))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return self

    def _loss(self, rows: npt.NDArray[np.int64]) -> th.Tensor:
        """Compute the mean squared error of some rows, scalar."""
        observations = {
            name: th.as_tensor(values[rows], device=self.device)
            for name, values in self._observations.items()
        }
        actions = th.as_tensor(self._actions[rows], device=self.device)
        return nn.functional.mse_loss(self.policy(observations), actions)

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """Choose actions as SB3's ``predict`` does; there is no memory and no noise."""
        return self.policy.predict(observation, state, episode_start, deterministic)

    def save(self, path: str | Path) -> None:
        """Write the policy; ``ClonedPolicy.load(path)`` reads it."""
        self.policy.save(path)
