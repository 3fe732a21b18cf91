"""V-MAIL's networks as an SB3 policy: the world model, and what learns inside it. It acts on the
belief that it carries from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from sb3_vdb.networks import (
    PICTURE_NETS,
    Observations,
    PictureNet,
    PictureSettings,
    as_parts,
    initialize,
    is_picture,
    space_parts,
)
from sb3_vdb.policy_files import FiledPolicy
from sb3_vdb.vmail.actor_critic import Actor, Value
from sb3_vdb.vmail.discriminator import LatentDiscriminator
from sb3_vdb.vmail.latents import CategoricalLatent, GaussianLatent
from sb3_vdb.vmail.rssm import State
from sb3_vdb.vmail.world_model import WorldModel

LatentKind = Literal["gaussian", "categorical"]
ADAM_EPS = 1e-7  # the default of TensorFlow, in which the authors' code is written
NETWORKS = ("model", "discriminator", "actor", "value")  # in the order of their steps


class Memory(NamedTuple):
    """What a policy remembers of an episode: its belief and its last action.

    :param stoch: shape (n_envs, stoch_dim)
    :param deter: shape (n_envs, deter_dim)
    :param action: shape (n_envs, action_dim), in [-1, 1]
    """

    stoch: th.Tensor
    deter: th.Tensor
    action: th.Tensor


class VMAILPolicy(FiledPolicy):
    """Holds world model, discriminator, actor and value of V-MAIL.

    :param observation_space: pictures with channels first, vectors, or a Dict of both
    :param action_space: a Box
    :param lr_schedule: learning rate of the world model
    :param deter_dim: width of the deterministic part of the latent state
    :param stoch_dim: number of stochastic variables
    :param latent: ``"gaussian"``, or ``"categorical"`` as in DreamerV2
    :param n_classes: classes of a categorical variable
    :param hidden_dim: width of the layers around the GRU
    :param units: width of the heads' hidden layers, and of perceptrons for vectors
    :param picture_net: ``"conv"``, or ``"patches"``, which costs less on a CPU
    :param cnn_depth: channels of the first convolution, half those of a patch
    :param standardize_pictures: encode and decode differences from the demonstrations' mean
        picture in their standard deviation, so that a background need not be learned
    :param bf16: encode and decode pictures in bfloat16, which is faster where the processor has it;
        weights stay in single precision
    :param actor_layers: hidden layers of the actor
    :param value_layers: hidden layers of the value
    :param discriminator_net_arch: widths of the discriminator's hidden layers
    :param code_dim: dimension of the discriminator's bottleneck; None for no bottleneck
    :param init_std: standard deviation of the actions before tanh at the start
    :param average_actor: keep an average of the actor's weights over updates, which ``predict``
        acts with; the algorithm says so where its ``actor_decay`` is above 0
    :raises ValueError: a space cannot be modelled, or a size is out of range
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        deter_dim: int = 200,
        stoch_dim: int = 30,
        latent: LatentKind = "gaussian",
        n_classes: int = 32,
        hidden_dim: int = 200,
        units: int = 400,
        picture_net: PictureNet = "conv",
        cnn_depth: int = 32,
        standardize_pictures: bool = False,
        bf16: bool = False,
        actor_layers: int = 4,
        value_layers: int = 3,
        discriminator_net_arch: Sequence[int] = (400, 400),
        code_dim: int | None = None,
        init_std: float = 5.0,
        average_actor: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True)
        if latent not in ("gaussian", "categorical"):
            raise ValueError(f'`latent` must be "gaussian" or "categorical", got {latent!r}')
        if picture_net not in PICTURE_NETS:
            names = ", ".join(PICTURE_NETS)
            raise ValueError(f"`picture_net` must be one of {names}, got {picture_net!r}")
        if not init_std > 0.0:
            raise ValueError(f"`init_std` must be positive, got {init_std}")
        self.sizes: dict[str, Any] = {
            "deter_dim": deter_dim,
            "stoch_dim": stoch_dim,
            "latent": latent,
            "n_classes": n_classes,
            "hidden_dim": hidden_dim,
            "units": units,
            "picture_net": picture_net,
            "cnn_depth": cnn_depth,
            "standardize_pictures": standardize_pictures,
            "bf16": bf16,
            "actor_layers": actor_layers,
            "value_layers": value_layers,
            "discriminator_net_arch": tuple(discriminator_net_arch),
            "code_dim": code_dim,
            "init_std": init_std,
            "average_actor": average_actor,
        }
        for name, value in self.sizes.items():
            if isinstance(value, int) and not isinstance(value, bool) and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        has_pictures = any(is_picture(part) for part in space_parts(observation_space).values())
        for name, default in (
            ("standardize_pictures", False),
            ("bf16", False),
            ("picture_net", "conv"),
        ):
            if self.sizes[name] != default and not has_pictures:
                raise ValueError(f"`{name}` is for pictures, the observations have none")
        assert action_space.shape is not None
        self.action_dim = int(np.prod(action_space.shape))
        family = (
            GaussianLatent(stoch_dim)
            if latent == "gaussian"
            else CategoricalLatent(stoch_dim, n_classes)
        )
        self.world_model = WorldModel(
            observation_space,
            self.action_dim,
            family,
            deter_dim,
            hidden_dim,
            units,
            PictureSettings(picture_net, cnn_depth, standardize_pictures, bf16),
        )
        feat_dim = self.world_model.feat_dim
        self.discriminator = LatentDiscriminator(
            feat_dim, self.action_dim, self.sizes["discriminator_net_arch"], code_dim
        )
        self.actor = Actor(feat_dim, self.action_dim, units, actor_layers, init_std)
        self.value = self.make_value(feat_dim, units, value_layers)
        self.value_target = self.make_value(feat_dim, units, value_layers)
        # the discriminator's unit initialises itself: codes start near their prior
        for network in (self.world_model, self.actor, self.value):
            network.apply(initialize)
        self.value_target.load_state_dict(self.value.state_dict())
        self.value_target.requires_grad_(False)
        self.actor_average: Actor | None = None
        if average_actor:
            self.actor_average = Actor(feat_dim, self.action_dim, units, actor_layers, init_std)
            self.actor_average.load_state_dict(self.actor.state_dict())
            self.actor_average.requires_grad_(False)
        self.lr_schedule = lr_schedule

    def make_value(self, feat_dim: int, units: int, n_layers: int) -> nn.Module:
        """Make what estimates returns, here from states."""
        return Value(feat_dim, units, n_layers)

    def networks(self) -> dict[str, nn.Module]:
        """Return the network that each optimiser and each loss is for, in the order of
        ``NETWORKS``.
        """
        modules = (self.world_model, self.discriminator, self.actor, self.value)
        return dict(zip(NETWORKS, modules, strict=True))

    def make_optimizers(self, learning_rates: Mapping[str, float], weight_decay: float) -> None:
        """Make the four optimisers, ``model_optimizer`` and so on: Adam with the defaults of the
        authors' library.

        :param learning_rates: of ``model``, ``discriminator``, ``actor`` and ``value``
        :param weight_decay: of all
        """
        for name, network in self.networks().items():
            optimizer = th.optim.Adam(
                network.parameters(),
                lr=learning_rates[name],
                eps=ADAM_EPS,
                weight_decay=weight_decay,
                fused=True,
            )
            setattr(self, f"{name}_optimizer", optimizer)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        data = super()._get_constructor_parameters()
        del data["normalize_images"]
        return {**data, **self.sizes, "lr_schedule": self._dummy_schedule}

    # ------------------------------------------------------------------ acting

    def initial_memory(self, n_envs: int) -> Memory:
        """Return the memory at the start of episodes: zeros."""
        state = self.world_model.rssm.initial(n_envs)
        return Memory(*state, state.deter.new_zeros(n_envs, self.action_dim))

    @th.no_grad()
    def act(
        self,
        observations: Observations,
        memory: Memory,
        episode_starts: th.Tensor,
        deterministic: bool = False,
        noise_std: float = 0.0,
        averaged: bool = False,
    ) -> Memory:
        """Filter an observation and choose an action.

        :param observations: raw, shape ``(n_envs, *space)`` a part
        :param memory: of the step before
        :param episode_starts: 1 where an episode begins, shape (n_envs,)
        :param deterministic: take modes instead of samples
        :param noise_std: of Gaussian noise added to the action, which is clipped to [-1, 1]
        :param averaged: act with the average of the actor's weights, where there is one
        :return: memory with the belief that includes the observation, and with the action
        """
        begins = episode_starts.bool().unsqueeze(1)  # and forgets, were it NaN
        stoch, deter, action = (part.masked_fill(begins, 0.0) for part in memory)
        embed = self.world_model.embed(observations)
        belief = self.world_model.rssm.obs_step(
            State(stoch, deter), action, embed, sample=not deterministic
        )
        average = self.actor_average if averaged else None
        distribution = (average or self.actor)(belief.state.feat)
        action = distribution.mode() if deterministic else distribution.sample()
        if noise_std > 0.0:
            action = (action + noise_std * th.randn_like(action)).clamp(-1.0, 1.0)
        return Memory(*belief.state, action)

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """Choose the action for an observation, and return the memory for the next call.

        :param observation: one observation or a batch, as the environment gives it
        :param state: what the last call returned; None at the start
        :param episode_start: 1 where an episode begins, shape (n_envs,)
        :param deterministic: modes of belief and action, or samples
        :return: actions in the environment's own range; fields of :class:`Memory` as arrays
        """
        self.set_training_mode(False)
        if isinstance(observation, tuple):
            raise ValueError(
                "`observation` is a tuple; Gymnasium's reset() gives (observation, info), SB3's "
                "environments the observation alone"
            )
        tensors, vectorized = self.obs_to_tensor(observation)
        parts = as_parts(tensors)
        n_envs = len(next(iter(parts.values())))
        if state is None:
            memory = self.initial_memory(n_envs)
        else:
            memory = Memory(*(th.as_tensor(part, device=self.device) for part in state))
        begun = np.zeros(n_envs) if episode_start is None else np.atleast_1d(episode_start)
        starts = th.as_tensor(begun, device=self.device)
        memory = self.act(parts, memory, starts, deterministic, averaged=True)
        actions = self.env_actions(memory.action)
        kept = tuple(part.cpu().numpy() for part in memory)
        return (actions if vectorized else actions[0]), kept

    def env_actions(self, actions: th.Tensor) -> npt.NDArray[Any]:
        """Scale actions in [-1, 1] to the environment's own range and shape."""
        assert self.action_space.shape is not None
        shaped = actions.cpu().numpy().reshape(-1, *self.action_space.shape)
        return np.asarray(self.unscale_action(shaped), dtype=self.action_space.dtype)

    def forward(self, observations: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        """Choose actions in [-1, 1] at the first step of an episode, shape (n_envs, action_dim)."""
        return self._predict(observations, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        parts = as_parts(observation)
        n_envs = len(next(iter(parts.values())))
        starts = th.ones(n_envs, device=self.device)
        memory = self.initial_memory(n_envs)
        return self.act(parts, memory, starts, deterministic, averaged=True).action


class CnnPolicy(VMAILPolicy):
    """For pictures."""


class MlpPolicy(VMAILPolicy):
    """For vectors."""


class MultiInputPolicy(VMAILPolicy):
    """For a Dict of pictures and vectors."""
