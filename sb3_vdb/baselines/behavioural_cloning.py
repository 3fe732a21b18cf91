"""Behavioural cloning: the expert's actions by supervised learning, from pictures or vectors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, PyTorchObs
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn
from tqdm.auto import trange

from sb3_vdb.arguments import (
    number_from_zero,
    positive_int,
    positive_number,
    seed_or_none,
    whole_number,
)
from sb3_vdb.box_scaling import check_bounded_actions
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.finite_weights import LastFiniteWeights
from sb3_vdb.networks import ObservationEncoder, PictureSettings, as_parts, initialize, mlp
from sb3_vdb.networks.observation_parts import KEY
from sb3_vdb.policy_files import FiledPolicy
from sb3_vdb.stored_episodes import stored_episodes
from sb3_vdb.vec_env import wrappers

KEPT_EVERY = 100  # updates between two looks at the weights


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
        for name, size, least in (
            ("units", units, 1),
            ("n_layers", n_layers, 0),
            ("cnn_depth", cnn_depth, 1),
        ):
            whole_number(name, size, least)
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

    It learns from raw observations. Under a ``VecNormalize`` :meth:`predict` takes normalised ones,
    as the environments give them, and undoes the normalisation by the statistics of that moment; a
    saved policy takes raw observations.

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
    :raises ValueError: the demonstrations do not fit, or an argument is out of range
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
        learning_rate = positive_number("learning_rate", learning_rate)
        weight_decay = number_from_zero("weight_decay", weight_decay)
        self.env, self._normalizers = venv, _normalizers(venv)
        if isinstance(demonstrations, Demonstrations):
            demonstrations = demonstrations.as_stacked_in(venv)
        episodes = stored_episodes(demonstrations, venv.observation_space, venv.action_space, 2)
        demonstrations.check_action_repeat(venv)
        self.device = get_device(device)
        self.batch_size = positive_int("batch_size", batch_size)
        seed = seed_or_none("seed", seed)
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
        self._last_finite = LastFiniteWeights(self.policy, [self.optimizer])

    def learn(self, n_updates: int, progress_bar: bool = False) -> BehaviouralCloning:
        """Carry out updates of the policy.

        :param n_updates: how many
        :param progress_bar: show one
        :raises ValueError: ``n_updates`` is negative or no whole number
        :raises NonFiniteError: the loss is not finite, and the policy is that of the update before;
            or a weight is not, and the policy is that of at most 100 updates before
        """
        n_updates = whole_number("n_updates", n_updates, 0)
        self.policy.set_training_mode(True)
        for i in trange(n_updates, disable=not progress_bar):
            if i % KEPT_EVERY == 0:
                self._keep()
            loss = self._loss(self._rng.integers(len(self._actions), size=self.batch_size))
            if not math.isfinite(loss.item()):
                self._last_finite.restore_if_needed()
                raise NonFiniteError(
                    "the loss is not finite; lower `learning_rate`, or look for huge numbers in "
                    "the demonstrations"
                )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self._keep()
        return self

    def _keep(self) -> None:
        """Keep the policy, or restore it if a weight is not finite any more.

        :raises NonFiniteError: naming the weight
        """
        if (weight := self._last_finite.restore_if_needed()) is not None:
            raise NonFiniteError(f"the weight `{weight}` is not finite; lower `learning_rate`")
        self._last_finite.keep()

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
        """Choose actions as SB3's ``predict`` does; there is no memory and no noise.

        :param observation: as the environments of the constructor give it
        """
        for layer in self._normalizers:
            observation = layer.unnormalize_obs(observation)
        return self.policy.predict(observation, state, episode_start, deterministic)

    def get_env(self) -> VecEnv:
        """Return the environments, as SB3's algorithms do."""
        return self.env

    def get_vec_normalize_env(self) -> VecNormalize | None:
        """Return what normalises the observations of :meth:`predict`, as SB3's algorithms do."""
        return self._normalizers[0] if self._normalizers else None

    def save(self, path: str | Path) -> None:
        """Write the policy, which takes raw observations; ``ClonedPolicy.load(path)`` reads it."""
        self.policy.save(path)


def _normalizers(venv: VecEnv) -> list[VecNormalize]:
    """List the wrappers that normalise observations, outermost first.

    :raises ValueError: a wrapper above one of them changes what it has normalised
    """
    layers = [each for each in wrappers(venv) if isinstance(each, VecNormalize) and each.norm_obs]
    for layer in layers:
        names = layer.norm_obs_keys or [KEY]
        given, raw = (as_parts(each.observation_space) for each in (venv, layer.venv))
        if any(given.get(name) != raw.get(name) for name in names):
            raise ValueError(
                f"VecNormalize has {layer.venv.observation_space} and the environments give "
                f"{venv.observation_space}; put VecNormalize around the other wrappers, and leave "
                "pictures out of its `norm_obs_keys`"
            )
    return layers
