"""A learned reward, frozen: it can be saved, loaded without pickle, and paid in any environment
with the same spaces.
"""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_vdb.discriminators import Architecture, Discriminator, FeatureEncoder
from sb3_vdb.files import with_default_suffix, write_bytes
from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.space_dicts import space_from_dict, space_to_dict
from sb3_vdb.tensor_files import load_tensors
from sb3_vdb.transitions import Transitions

FORMAT, VERSION = "sb3_vdb.recovered_reward", 3  # 1 had no power, 2 no cap


class RecoveredReward:
    """Reward (r - shift) / scale with r the reward of a frozen discriminator at its mean codes.

    :param discriminator: the network; it is copied
    :param architecture: its description
    :param features: encoder of transitions of the spaces it was trained on
    :param reward_type: one of the discriminator's reward types
    :param shift: subtracted from the reward. Harmless where episodes have a fixed length; else a
        shift decides whether a learner wants long or short episodes.
    :param scale: divides the reward, positive
    :param capped: pay no more than 0
    :param power: 1, or the exponent p of the order-preserving -(-x)^p that is paid for the scaled
        and capped reward x; see :meth:`sharpened`
    :raises ValueError: the reward needs a policy (``"logit"`` of an AIRL type), or a bad power
    """

    def __init__(
        self,
        discriminator: Discriminator,
        architecture: Architecture,
        features: FeatureEncoder,
        reward_type: str,
        shift: float = 0.0,
        scale: float = 1.0,
        power: float = 1.0,
        capped: bool = False,
    ) -> None:
        if not power > 0.0:
            raise ValueError(f"`power` must be positive, got {power}")
        if power != 1.0 and not capped:
            raise ValueError(f"`power` {power} needs a reward that is `capped` at 0")
        if discriminator.uses_log_probs and reward_type == "logit":
            raise ValueError(
                '`reward_type` "logit" depends on the policy and cannot be frozen; use "g" or "f"'
            )
        self.discriminator = copy.deepcopy(discriminator).requires_grad_(False).eval()
        self.architecture, self.features, self.reward_type = architecture, features, reward_type
        self.shift, self.scale, self.power = float(shift), float(scale), float(power)
        self.capped = capped

    def __call__(self, transitions: Transitions) -> npt.NDArray[np.float32]:
        """Rewards of transitions, shape (batch,).

        :raises ValueError: something else than transitions
        """
        if not isinstance(transitions, Transitions):
            raise ValueError(
                f"a reward takes Transitions, got {type(transitions).__name__}; "
                "for states alone use of_states(observations)"
            )
        device = self.discriminator.normalizer.mean.device
        batch = self.features.encode(transitions, device, self.discriminator.uses_actions)
        with th.no_grad():
            rewards = (self.discriminator.reward(batch, self.reward_type) - self.shift) / self.scale
            if self.capped:
                rewards = -(-rewards).clamp_min(0.0).pow(self.power)
        return rewards.cpu().numpy()

    def of_states(
        self, observations: npt.NDArray[Any], action: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[np.float32]:
        """Rewards of states, for maps.

        :param observations: shape (batch, ...)
        :param action: the action taken in each state, for a reward that looks at actions
        :return: shape (batch,)
        :raises ValueError: the reward also looks at the next state, or at actions and none is given
        """
        if (
            (self.discriminator.uses_actions and action is None)
            or self.reward_type == "f"
            or self.architecture.use_next_observations
        ):
            raise ValueError(
                f"the reward `{self.reward_type}` is no function of the state alone; call it "
                "with transitions"
            )
        expected = self.features.observation_space.shape
        observations = np.asarray(observations)
        if observations.shape[1:] != expected:
            raise ValueError(
                f"`observations` must have shape (batch, *{expected}), got {observations.shape}"
            )
        n = len(observations)
        actions = None if action is None else np.repeat(np.asarray(action)[None], n, axis=0)
        return self(Transitions(observations, actions, observations, np.zeros(n, dtype=bool)))

    def standardized(
        self, rewards: npt.NDArray[np.floating], shift: str | float = "mean"
    ) -> RecoveredReward:
        """The same reward rescaled so that the given samples of it have standard deviation 1.

        :param rewards: samples of this reward, for example over a map, shape (n,)
        :param shift: what becomes 0: the ``"mean"``, the ``"max"``, a reward, or ``"none"`` for no
            shift
        :raises ValueError: the reward has been sharpened, or ``shift`` is unknown
        """
        if self.capped:
            raise ValueError("a sharpened reward cannot be rescaled; rescale first, then sharpen")
        offsets = {"mean": rewards.mean(), "max": rewards.max(), "none": 0.0}
        if isinstance(shift, str) and shift not in offsets:
            raise ValueError(
                f"`shift` must be a number or one of {', '.join(offsets)}, got {shift!r}"
            )
        offset = offsets[shift] if isinstance(shift, str) else shift
        scale = max(float(np.std(rewards)), 1e-8)
        return RecoveredReward(
            self.discriminator,
            self.architecture,
            self.features,
            self.reward_type,
            self.shift + self.scale * float(offset),
            self.scale * scale,
        )

    def sharpened(self, power: float = 0.5) -> RecoveredReward:
        """The reward x as -(-x)^power: the same order of states, with a steeper top.

        The maximum of a recovered reward is round, so that a policy gains next to nothing from the
        last step towards it; a power below 1 makes it a peak.

        :param power: positive; below 1 sharpens the top. What is above 0 counts as 0, also with a
            power of 1, so shift the top there first: ``standardized(rewards, "max")``, or the
            reward at which demonstrators settle.
        """
        return RecoveredReward(
            self.discriminator,
            self.architecture,
            self.features,
            self.reward_type,
            self.shift,
            self.scale,
            self.power * power,
            capped=True,
        )

    def wrap(self, venv: VecEnv) -> RewardVecEnv:
        """Environments that pay this reward.

        :param venv: environments with the spaces the reward was learned in (their observations not
            normalised)
        :raises ValueError: other spaces, or observations that are normalised
        """
        names = ["observation_space"]
        if self.discriminator.uses_actions:
            names.append("action_space")
        for name in names:
            theirs, ours = getattr(venv, name), getattr(self.features, name)
            both_boxes = isinstance(theirs, spaces.Box) and isinstance(ours, spaces.Box)
            if not (theirs.shape == ours.shape if both_boxes else theirs == ours):
                raise ValueError(f"the reward was learned with {name} {ours}, `venv` has {theirs}")
        normalize = unwrap_vec_normalize(venv)
        if normalize is not None and normalize.norm_obs:
            raise ValueError(
                "`venv` normalises observations and the reward takes raw ones; "
                "wrap first and normalise then: VecNormalize(reward.wrap(venv))"
            )
        return RewardVecEnv(venv, self)

    def save(self, path: str | Path) -> Path:
        """Write a file that :meth:`load` reads, atomically.

        :return: the path written to, with the suffix ``.pt`` if it had none
        """
        path = with_default_suffix(path, ".pt")
        buffer = io.BytesIO()
        th.save(
            {
                "format": FORMAT,
                "version": VERSION,
                "architecture": self.architecture.to_dict(),
                "observation_space": space_to_dict(self.features.observation_space),
                "action_space": space_to_dict(self.features.action_space),
                "reward_type": self.reward_type,
                "shift": self.shift,
                "scale": self.scale,
                "power": self.power,
                "capped": self.capped,
                "weights": self.discriminator.state_dict(),
            },
            buffer,
        )
        write_bytes(path, buffer.getvalue())
        return path

    @classmethod
    def load(cls, path: str | Path, device: th.device | str = "cpu") -> RecoveredReward:
        """Read what :meth:`save` wrote; no code of the file is run.

        :raises FileNotFoundError: no such file
        :raises ValueError: not a file of ours, truncated, or of a later version
        """
        path = with_default_suffix(path, ".pt")
        data = load_tensors(path.read_bytes(), str(path), FORMAT, VERSION, device)
        observation_space, action_space = (
            space_from_dict(data[f"{name}_space"]) for name in ("observation", "action")
        )
        assert isinstance(observation_space, spaces.Space)
        features = FeatureEncoder(observation_space, action_space)
        architecture = Architecture.from_dict(data["architecture"])
        discriminator = architecture.build(features).to(device)
        discriminator.load_state_dict(data["weights"])
        power = data.get("power", 1.0)
        return cls(
            discriminator,
            architecture,
            features,
            data["reward_type"],
            data["shift"],
            data["scale"],
            power,
            data.get("capped", power != 1.0),
        )
