"""PPO as DeepMimic and the VDB paper use it for motions: SB3's PPO with fixed action noise, a value
function in units of the largest return, a running normaliser, and a step size that keeps the KL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sb3_vdb.arguments import fraction, number_from_zero, positive_number, seed_or_none
from sb3_vdb.baselines.finite_rollouts import FiniteRollouts
from sb3_vdb.baselines.part_rollouts import PartRolloutBuffer
from sb3_vdb.extractors import RunningNormExtractor
from sb3_vdb.finite_weights import check_weights
from sb3_vdb.schedules import value_at

ADAPTATION = 1.5  # largest factor by which the actor's learning rate changes after a rollout
LEARNING_RATE_RANGE = (1e-6, 1e-3)
ANY_PART = ""  # of a Dict observation, where nobody knows yet which one is read
VALUE_SCALE_RANGE = (1e-16, 1e16)  # what follows from `gamma` is below; squares are finite
STD_RANGE = (1e-37, 3e38)  # what single precision holds
N_SAMPLES = 1_000_000  # after which the normaliser stays as it is


class ScaledLinear(nn.Linear):
    """Multiplies the output of a linear layer by a constant.

    :param in_features: size of the input
    :param scale: the constant
    """

    def __init__(self, in_features: int, scale: float) -> None:
        super().__init__(in_features, 1)
        self.scale = scale

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute values, shape (batch, 1)."""
        return self.scale * super().forward(inputs)


class DeepMimicPolicy(ActorCriticPolicy):
    """Has actor and critic over one running normaliser, with action noise that is not learned.

    :param value_scale: the value network's output is in units of this; 1 / (1 - gamma), the largest
        return of a reward in [0, 1], makes it a number in [0, 1]
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        lr_schedule: Schedule,
        value_scale: float = 20.0,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        features_extractor_class: type[RunningNormExtractor] = RunningNormExtractor,
        features_extractor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.value_scale = value_scale
        sizes = [512, 256] if net_arch is None else net_arch
        arch = sizes if isinstance(sizes, dict) else {"pi": sizes, "vf": sizes}
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch=arch,
            activation_fn=activation_fn,
            features_extractor_class=features_extractor_class,
            features_extractor_kwargs={"n_samples": N_SAMPLES, **(features_extractor_kwargs or {})},
            **kwargs,
        )

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        """Make a normaliser that :class:`DeepMimicPPO` updates, once a rollout."""
        extractor = super().make_features_extractor()
        assert isinstance(extractor, RunningNormExtractor)
        extractor.learns_by_itself = False
        return extractor

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.value_net = ScaledLinear(self.mlp_extractor.latent_dim_vf, self.value_scale)
        nn.init.zeros_(self.value_net.weight)
        nn.init.zeros_(self.value_net.bias)
        self.log_std.requires_grad = False
        actor = [*self.mlp_extractor.policy_net.parameters(), *self.action_net.parameters()]
        critic = [*self.mlp_extractor.value_net.parameters(), *self.value_net.parameters()]
        groups = [{"params": actor}, {"params": critic}]
        kwargs = {"lr": lr_schedule(1.0), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(groups, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "value_scale": self.value_scale}

    def of_part(self, key: str) -> DeepMimicPolicy:
        """Give the same policy for environments that observe the part it reads alone.

        :param key: the part
        :raises ValueError: it reads another one
        """
        assert isinstance(self.features_extractor, RunningNormExtractor)
        if self.features_extractor.key != key:
            raise ValueError(f"the policy reads part {self.features_extractor.key!r}, not {key!r}")
        arguments = self._get_constructor_parameters()
        kept = {**arguments["features_extractor_kwargs"]}
        del kept["key"]
        arguments |= {
            "observation_space": self.observation_space[key],  # type: ignore[index]
            "features_extractor_kwargs": kept,
        }
        policy = DeepMimicPolicy(**arguments)
        policy.load_state_dict(self.state_dict())
        return policy

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        """Make the distribution of actions, for whoever acts, learns or predicts.

        :raises NonFiniteError: a weight is not finite
        """
        try:
            return super()._get_action_dist_from_latent(latent_pi)
        except ValueError:  # torch blames the parameters of a distribution
            check_weights(self)
            raise

    def set_action_std(self, std: float) -> None:
        """Set the noise of every action.

        :param std: standard deviation in units of the action
        :raises ValueError: it is not positive
        """
        smallest, largest = STD_RANGE
        if not smallest <= std <= largest:
            raise ValueError(
                f"`action_std` gave {std}; action noise must stay positive, in single precision, "
                "let its schedule end above 0"
            )
        with th.no_grad():
            self.log_std.fill_(float(np.log(std)))


class DeepMimicPPO(PPO):
    """Learns motions by PPO.

    *Paper*: Peng et al., DeepMimic (2018), and the VDB paper's section 5.1, which learns the
    generator this way.

    *Differences from SB3's PPO*: actor and critic have learning rates of their own; the actor's is
    adapted after each rollout so that the KL between successive policies stays near
    ``kl_per_rollout``; the action noise follows a schedule instead of being learned; the policy
    normalises observations by running statistics, which are part of it and are updated between
    rollouts, so that the ratio of new to old policy is one at the first minibatch.

    *Differences from the paper*: Adam instead of SGD with momentum, 5 epochs instead of 1, smaller
    networks (512-256 instead of 1024-512); these learn in a tenth of the samples.

    The other parameters are SB3's.

    :param learning_rate: the actor's at the start; a number, since the KL decides how it goes on
    :param critic_learning_rate: the critic's
    :param kl_per_rollout: KL divergence that an update aims at, nats; None keeps the actor's rate
    :param action_std: action noise, in units of the action, or a function of SB3's progress (from 1
        to 0) that stays positive, such as :class:`~sb3_vdb.schedules.LinearSchedule`
    :param value_scale: largest return to expect; None for 1 / (1 - gamma), that of rewards in
        [0, 1]
    :param vf_coef: weight of the value loss in units of ``value_scale`` squared
    :raises ValueError: a bad value
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": DeepMimicPolicy,
        "MultiInputPolicy": DeepMimicPolicy,
    }

    def __init__(
        self,
        policy: str | type[DeepMimicPolicy] = "MlpPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float = 1e-4,
        critic_learning_rate: float = 3e-4,
        kl_per_rollout: float | None = 0.03,
        action_std: float | Callable[[float], float] = 0.06,
        value_scale: float | None = None,
        n_steps: int = 16,
        batch_size: int = 512,
        n_epochs: int = 5,
        gamma: float = 0.95,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 100.0,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        gamma, vf_coef = fraction("gamma", gamma), number_from_zero("vf_coef", vf_coef)
        scale = _value_scale(value_scale, gamma)
        learning_rate = positive_number("learning_rate", learning_rate)
        critic_learning_rate = positive_number("critic_learning_rate", critic_learning_rate)
        if kl_per_rollout is not None:
            kl_per_rollout = positive_number("kl_per_rollout", kl_per_rollout)
        if not callable(action_std):
            action_std = positive_number("action_std", action_std)
        if isinstance(env, (gym.Env, VecEnv)):
            # a file's arguments come later
            part = _part_read(policy_kwargs) if _init_setup_model else ANY_PART
            _check_spaces(env.observation_space, env.action_space, part)
        for progress in (1.0, 0.0):
            if callable(action_std) and not action_std(progress) > 0:
                raise ValueError(
                    f"`action_std` gives {action_std(progress)} at progress {progress}; action "
                    "noise must stay positive, let its schedule end above 0"
                )
        self.critic_learning_rate, self.kl_per_rollout = critic_learning_rate, kl_per_rollout
        self.action_std, self.actor_learning_rate = action_std, learning_rate
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef / scale**2,
            max_grad_norm=max_grad_norm,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs={**(policy_kwargs or {}), "value_scale": scale},
            verbose=verbose,
            seed=seed_or_none("seed", seed),
            device=device,
            _init_setup_model=_init_setup_model,
        )

    policy: DeepMimicPolicy

    def _setup_model(self) -> None:
        part = _part_read(self.policy_kwargs)
        _check_spaces(self.observation_space, self.action_space, part)
        if part is not None:
            self.rollout_buffer_class, self.rollout_buffer_kwargs = PartRolloutBuffer, {"key": part}
        super()._setup_model()
        self._set_noise()

    def _set_noise(self) -> None:
        self.policy.set_action_std(self._noise_at(self._current_progress_remaining))

    def _noise_at(self, progress_remaining: float) -> float:
        """Return the action noise; the last rollout may go a little beyond the end, where SB3's
        progress is negative.
        """
        return value_at(self.action_std, min(max(progress_remaining, 0.0), 1.0))

    def _update_learning_rate(
        self, optimizers: list[th.optim.Optimizer] | th.optim.Optimizer
    ) -> None:
        """Give actor and critic their own rates."""
        self.logger.record("train/learning_rate", self.actor_learning_rate)
        actor, critic = self.policy.optimizer.param_groups
        actor["lr"], critic["lr"] = self.actor_learning_rate, self.critic_learning_rate

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        """Look at every step before the user's callbacks do."""
        given = callback if isinstance(callback, list) else [callback]
        own = [
            each if isinstance(each, BaseCallback) else ConvertCallback(each)
            for each in given
            if each is not None
        ]
        return super()._init_callback([FiniteRollouts(), *own], progress_bar)

    def train(self) -> None:
        """Update the policy; afterwards adapt step size, noise and normaliser.

        :raises NonFiniteError: a weight is not finite any more
        """
        super().train()
        check_weights(self.policy)
        if self.kl_per_rollout is not None:
            kl = float(self.logger.name_to_value["train/approx_kl"])
            self.actor_learning_rate = adapted(self.actor_learning_rate, kl, self.kl_per_rollout)
        self._set_noise()
        extractor = self.policy.features_extractor
        assert isinstance(extractor, RunningNormExtractor)
        extractor.update(self._collected_observations(extractor.key))

    def _collected_observations(self, key: str | None) -> Any:
        """Give the rollout's observations as the normaliser takes them.

        :param key: the part of a Dict that it reads
        """
        space, rows = self.observation_space, self.rollout_buffer.observations
        if key is None:
            flat = th.as_tensor(rows.reshape(-1, *(space.shape or ())), device=self.device)
            return preprocess_obs(flat, space, self.policy.normalize_images)
        assert isinstance(space, spaces.Dict)
        assert isinstance(rows, dict)
        part = th.as_tensor(rows[key].reshape(-1, *(space[key].shape or ())), device=self.device)
        return {key: preprocess_obs(part, space[key], self.policy.normalize_images)}


def _part_read(policy_kwargs: dict[str, Any] | None) -> str | None:
    """Name the part of a Dict observation that the policy reads; None where none is named."""
    arguments = (policy_kwargs or {}).get("features_extractor_kwargs") or {}
    key: str | None = arguments.get("key")
    return key


def _check_spaces(
    observation_space: spaces.Space[Any], action_space: spaces.Space[Any], key: str | None
) -> None:
    """Refuse spaces that the policy cannot learn in.

    :param key: the part of a Dict that the policy reads
    :raises ValueError: naming the space and the remedy
    """
    if not isinstance(action_space, spaces.Box):
        raise ValueError(
            f"DeepMimicPPO needs continuous actions (a Box), the environment has {action_space}; "
            "use SB3's PPO"
        )
    if isinstance(observation_space, spaces.Dict) and key is None:
        names = list(observation_space.spaces)
        raise ValueError(
            f"DeepMimicPPO reads one vector, the environment has the parts {', '.join(names)}; "
            'name one: DeepMimicPPO("MultiInputPolicy", env, policy_kwargs='
            f"dict(features_extractor_kwargs=dict(key={names[-1]!r}))), or flatten them with "
            "gymnasium.wrappers.FlattenObservation"
        )
    if isinstance(observation_space, spaces.Tuple):
        raise ValueError(
            f"DeepMimicPPO takes one vector of observations, the environment has "
            f"{observation_space}; flatten it with gymnasium.wrappers.FlattenObservation"
        )


def _value_scale(value_scale: float | None, gamma: float) -> float:
    """Return the unit of the values.

    :raises ValueError: it is not positive, its square is none in single precision, or it follows
        from a discount of 1
    """
    if value_scale is None:
        if gamma == 1.0:
            raise ValueError(
                f"`value_scale` must be given for `gamma` {gamma}: the largest return to expect"
            )
        return 1.0 / (1.0 - gamma)
    scale = positive_number("value_scale", value_scale)
    smallest, largest = VALUE_SCALE_RANGE
    if not smallest <= scale <= largest:
        raise ValueError(
            f"`value_scale` must be a number from {smallest} to {largest}, got {value_scale}"
        )
    return scale


def adapted(learning_rate: float, kl: float, wanted: float) -> float:
    """Return the learning rate after an update that changed the policy by ``kl``; the KL grows with
    the square of the step.

    :param learning_rate: of the update
    :param kl: measured divergence, nats
    :param wanted: divergence to aim at, nats
    :return: the next learning rate
    """
    factor = np.clip(np.sqrt(wanted / max(kl, 1e-12)), 1.0 / ADAPTATION, ADAPTATION)
    return float(np.clip(learning_rate * factor, *LEARNING_RATE_RANGE))
