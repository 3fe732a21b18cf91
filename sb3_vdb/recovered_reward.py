"""A learned reward, frozen: it can be saved, loaded without pickle, and paid in any environment
with the same spaces.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import unwrap_vec_normalize

from sb3_vdb.arguments import finite_number, positive_number
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.files import check_entries, reading, with_default_suffix, write_bytes
from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.space_dicts import space_from_dict, space_to_dict
from sb3_vdb.tensor_files import load_tensors, load_weights, to_bytes
from sb3_vdb.transitions import Observations, Transitions, map_parts, parts_of
from sb3_vdb.vec_env import as_vec_env

FORMAT, VERSION = "sb3_vdb.recovered_reward", 4
DESCRIPTION = {"class": str, "arguments": dict}
ENTRIES = {
    "description": dict,
    "observation_space": dict,
    "action_space": dict,
    "reward_type": str,
    "shift": float,
    "scale": float,
    "power": float,
    "capped": bool,
    "weights": dict,
}


class RecoveredReward:
    """Reward (r - shift) / scale with r the reward of a frozen discriminator at its mean codes.

    :param discriminator: the network; it is copied
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
        reward_type: str,
        shift: float = 0.0,
        scale: float = 1.0,
        power: float = 1.0,
        capped: bool = False,
    ) -> None:
        positive_number("power", power)
        positive_number("scale", scale)
        finite_number("shift", shift)
        if power != 1.0 and not capped:
            raise ValueError(f"`power` {power} needs a reward that is `capped` at 0")
        if reward_type not in discriminator.reward_types:
            raise ValueError(
                f"`reward_type` must be one of {', '.join(discriminator.reward_types)} for a "
                f"{type(discriminator).__name__}, got {reward_type!r}"
            )
        if "log_probs" in discriminator.reward_needs(reward_type):
            raise ValueError(
                f'`reward_type` "{reward_type}" depends on the policy and cannot be frozen; use '
                '"g" or "f"'
            )
        self.discriminator = copy.deepcopy(discriminator).requires_grad_(False).eval()
        self.reward_type = reward_type
        self.shift, self.scale, self.power = float(shift), float(scale), float(power)
        self.capped = capped

    def __call__(self, transitions: Transitions) -> npt.NDArray[np.float32]:
        """Compute the rewards of transitions, shape (batch,).

        :raises ValueError: something else than transitions
        """
        if not isinstance(transitions, Transitions):
            raise ValueError(
                f"a reward takes Transitions, got {type(transitions).__name__}; "
                "for states alone use of_states(observations)"
            )
        batch = self.discriminator.encode(transitions)
        with th.no_grad():
            rewards = (self.discriminator.reward(batch, self.reward_type) - self.shift) / self.scale
            if self.capped:
                rewards = -(-rewards).clamp_min(0.0).pow(self.power)
        return rewards.cpu().numpy()

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a transition that the reward is a function of."""
        return self.discriminator.reward_needs(self.reward_type)

    def of_states(
        self, observations: Observations, action: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[np.float32]:
        """Compute the rewards of states, for maps.

        :param observations: shape (batch, ...), or one such array per part
        :param action: the action taken in each state, for a reward that looks at actions
        :return: shape (batch,)
        :raises ValueError: the reward also looks at the next state, or at actions and none is given
        """
        missing = self.needs - {"observations"} - ({"actions"} if action is not None else set())
        if missing:
            raise ValueError(
                f"the reward `{self.reward_type}` is no function of the state alone, but of "
                f"{', '.join(sorted(self.needs))}; call it with transitions"
            )
        observations = map_parts(np.asarray, observations)
        expected = self.discriminator.observation_space.shape
        if expected is not None and observations.shape[1:] != expected:
            raise ValueError(
                f"`observations` must have shape (batch, *{expected}), got {observations.shape}"
            )
        n = len(next(iter(parts_of(observations).values())))
        actions = None if action is None else np.repeat(np.asarray(action)[None], n, axis=0)
        return self(Transitions(observations, actions, observations, np.zeros(n, dtype=bool)))

    def standardized(
        self, rewards: npt.NDArray[np.floating], shift: str | float = "mean"
    ) -> RecoveredReward:
        """Rescale the reward so that the given samples of it have standard deviation 1.

        :param rewards: samples of this reward, for example over a map, shape (n,)
        :param shift: what becomes 0: the ``"mean"``, the ``"max"``, a reward, or ``"none"`` for no
            shift
        :raises ValueError: the reward has been sharpened, or ``shift`` is unknown
        """
        if self.capped:
            raise ValueError("a sharpened reward cannot be rescaled; rescale first, then sharpen")
        rewards = np.asarray(rewards)
        if rewards.dtype.kind not in "fiu" or not rewards.size or not np.isfinite(rewards).all():
            raise ValueError(
                f"`rewards` must be finite samples of this reward, shape (n,), got {rewards!r}"
            )
        offsets = {"mean": rewards.mean(), "max": rewards.max(), "none": 0.0}
        if isinstance(shift, str) and shift not in offsets:
            raise ValueError(
                f"`shift` must be a number or one of {', '.join(offsets)}, got {shift!r}"
            )
        offset = offsets[shift] if isinstance(shift, str) else finite_number("shift", shift)
        scale = max(float(np.std(rewards)), 1e-8)
        return RecoveredReward(
            self.discriminator,
            self.reward_type,
            self.shift + self.scale * float(offset),
            self.scale * scale,
        )

    def sharpened(self, power: float = 0.5) -> RecoveredReward:
        """Pay -(-x)^power for the reward x: the same order of states, with a steeper top.

        The maximum of a recovered reward is round, so that a policy gains next to nothing from the
        last step towards it; a power below 1 makes it a peak.

        :param power: positive; below 1 sharpens the top. What is above 0 counts as 0, also with a
            power of 1, so shift the top there first: ``standardized(rewards, "max")``, or the
            reward at which demonstrators settle.
        """
        return RecoveredReward(
            self.discriminator,
            self.reward_type,
            self.shift,
            self.scale,
            self.power * power,
            capped=True,
        )

    def wrap(self, venv: GymEnv) -> RewardVecEnv:
        """Make environments pay this reward.

        :param venv: environments with the spaces the reward was learned in (their observations not
            normalised), or one of Gymnasium's
        :raises ValueError: other spaces, or observations that are normalised
        """
        ours, venv = self.discriminator, as_vec_env(venv)
        pairs = [("observation_space", ours.observation_space, venv.observation_space)]
        if "actions" in self.needs:
            pairs.append(("action_space", ours.action_space, venv.action_space))
        for name, learned, theirs in pairs:
            if not _alike(learned, theirs, ours.transition_encoder.keys):
                raise ValueError(
                    f"the reward was learned with {name} {learned}, `venv` has {theirs}"
                )
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
        write_bytes(path, to_bytes(self.content(), FORMAT, VERSION))
        return path

    def content(self) -> dict[str, Any]:
        """Return all that a file of it holds: tensors and plain values by name."""
        return {
            "description": self.discriminator.describe(),
            "observation_space": space_to_dict(self.discriminator.observation_space),
            "action_space": space_to_dict(self.discriminator.action_space),
            "reward_type": self.reward_type,
            "shift": self.shift,
            "scale": self.scale,
            "power": self.power,
            "capped": bool(self.capped),
            "weights": self.discriminator.state_dict(),
        }

    @classmethod
    def load(cls, path: str | Path, device: th.device | str = "cpu") -> RecoveredReward:
        """Read what :meth:`save` wrote, without running code that it might hold. Classes that are
        neither this package's nor torch's have to be imported before.

        :raises FileNotFoundError: no such file
        :raises DamagedFileError: not a file of ours, truncated, changed, or of another version
        :raises ValueError: it names a class that is not here or not imported
        """
        path = with_default_suffix(path, ".pt")
        source = str(path)
        data = load_tensors(path.read_bytes(), source, FORMAT, VERSION, device, ENTRIES)
        return cls.of_content(data, source, device)

    @classmethod
    def of_content(
        cls, data: Mapping[str, Any], source: str, device: th.device | str = "cpu"
    ) -> RecoveredReward:
        """Make the reward that :meth:`content` described.

        :param data: with all entries of ``ENTRIES``
        :param source: where it came from, for the messages
        :param device: where its networks go
        :raises DamagedFileError: an entry is not sound
        :raises ValueError: it names a class that is not here or not imported
        """
        check_entries(data["description"], DESCRIPTION, source)
        with reading(source):
            observation_space, action_space = (
                space_from_dict(data[f"{name}_space"]) for name in ("observation", "action")
            )
        discriminator = Discriminator.rebuild(
            data["description"], observation_space, action_space, source
        ).to(device)
        load_weights(discriminator, data["weights"], source)
        return cls(
            discriminator,
            data["reward_type"],
            data["shift"],
            data["scale"],
            data["power"],
            data["capped"],
        )


def _alike(
    learned: spaces.Space[Any], theirs: spaces.Space[Any], keys: tuple[str, ...] | None
) -> bool:
    """Say whether elements of two spaces look alike to a reward: Boxes of one shape, other spaces
    equal, of a Dict the parts that are looked at.
    """
    if isinstance(learned, spaces.Dict) and isinstance(theirs, spaces.Dict):
        return all(
            key in theirs.spaces and _alike(learned[key], theirs[key], None) for key in keys or ()
        )
    if isinstance(learned, spaces.Box) and isinstance(theirs, spaces.Box):
        return learned.shape == theirs.shape
    return bool(learned == theirs)
