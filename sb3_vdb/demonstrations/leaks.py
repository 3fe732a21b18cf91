"""The leak check: could a discriminator tell the expert from the agent by something that is no
behaviour?
"""

from __future__ import annotations

import warnings
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.acting import steps
from sb3_vdb.arguments import positive_int
from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.leak_signs import (
    Leak,
    action_leaks,
    picture_leaks,
    repetition_leaks,
    rounding_leaks,
    stacking_leaks,
    start_leaks,
)
from sb3_vdb.transitions import Observations, map_parts, parts_of
from sb3_vdb.vec_env import as_vec_env

N_COMPARED = 500  # steps of either side; pictures are compared one by one
N_RESETS = 32
LENGTH = 100  # steps of an episode, in which repeated observations are looked for


class RandomPolicy:
    """Acts at random, as an untrained policy about does.

    :param space: of the actions
    :param n_envs: how many it acts in
    :param seed: of the actions
    """

    def __init__(self, space: spaces.Space[Any], n_envs: int, seed: int) -> None:
        self._space, self._n_envs = space, n_envs
        space.seed(seed)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], None]:
        """Draw one action an environment."""
        return np.stack([self._space.sample() for _ in range(self._n_envs)]), None


def find_leaks(
    demonstrations: Demonstrations, venv: GymEnv, n_steps: int = N_COMPARED, seed: int = 0
) -> list[Leak]:
    """Compare demonstrations with steps of random actions, and with first observations after
    resets, which no policy has a hand in.

    Found are entries and pictures that differ from the first observation on (normalisation, units,
    another renderer), rounding, compression, frame stacks, repeated frames, and actions on another
    scale. Silence is no proof: what differs only later in an episode may be behaviour or not.
    Demonstrations that do not begin with a reset are told apart by their starts, which
    is right where the learner's environment could begin so as well.

    :param demonstrations: of the expert
    :param venv: the learner's environments, which are reset and stepped
    :param n_steps: steps that are compared, of either side
    :param seed: of the random actions
    :return: what was found; nothing where all is well
    :raises ValueError: the demonstrations do not fit the environments
    """
    n_steps = positive_int("n_steps", n_steps)
    venv = as_vec_env(venv)
    demonstrations = demonstrations.as_stacked_in(venv)
    keys = [key for key in parts_of(demonstrations[0].observations) if key != "observations"]
    demonstrations.validate(
        venv.observation_space, venv.action_space, demonstrations.has_actions, keys or None
    )
    agents = _played(venv, n_steps, seed)
    found: list[Leak] = []
    for name, part in _spaces_of(venv.observation_space).items():
        if name in parts_of(demonstrations[0].observations):
            expert = _sides([parts_of(each.observations)[name] for each in demonstrations], n_steps)
            found += _leaks_of(name, part, expert, agents[name])
    if demonstrations.has_actions and isinstance(venv.action_space, spaces.Box):
        actions = np.concatenate([np.asarray(each.actions) for each in demonstrations])
        found += action_leaks(actions, venv.action_space.low, venv.action_space.high)
    return found


def warn_of_leaks(
    demonstrations: Demonstrations, venv: GymEnv, n_steps: int = N_COMPARED, seed: int = 0
) -> list[Leak]:
    """Warn of everything that :func:`find_leaks` finds, each with its remedy; arguments as there.

    :return: what was found
    """
    found = find_leaks(demonstrations, venv, n_steps, seed)
    for leak in found:
        warnings.warn(f"a discriminator can tell the expert by {leak}", stacklevel=2)
    return found


class _Side(NamedTuple):
    """One part, of the expert or of the agent.

    :param pairs: observations and those one step later, evenly chosen, shape (2, n, ...)
    :param starts: first observations, shape (n_episodes, ...)
    :param episodes: what followed each other, shape (length, ...) each, cut to LENGTH
    """

    pairs: npt.NDArray[Any]
    starts: npt.NDArray[Any]
    episodes: list[npt.NDArray[Any]]


def _sides(episodes: list[npt.NDArray[Any]], n: int) -> _Side:
    """Choose from episodes, of n steps in all."""
    each = max(1, n // len(episodes))
    rows = [np.unique(np.linspace(0, len(one) - 2, each).astype(int)) for one in episodes]
    pairs = [
        np.concatenate([one[chosen + later] for one, chosen in zip(episodes, rows, strict=True)])
        for later in (0, 1)
    ]
    starts = np.stack([one[0] for one in episodes])
    return _Side(np.stack(pairs), starts, [one[:LENGTH] for one in episodes])


def _leaks_of(name: str, space: spaces.Space[Any], expert: _Side, agent: _Side) -> list[Leak]:
    """Look for all signs in one part."""
    found = repetition_leaks(name, expert.episodes, agent.episodes)
    if is_image_space(space):
        sides = [expert.pairs, agent.pairs]
        if is_image_space_channels_first(space):  # type: ignore[arg-type]
            sides = [np.moveaxis(each, 2, -1) for each in sides]
        found += picture_leaks(name, sides[0][0], sides[1][0])
        return found + stacking_leaks(name, *sides)
    if not isinstance(space, spaces.Box):
        return found
    starts = [each.starts.reshape(len(each.starts), -1) for each in (expert, agent)]
    found += start_leaks(name, *starts)
    return found + rounding_leaks(name, expert.pairs[0], agent.pairs[0])


def _spaces_of(space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    return dict(space.spaces) if isinstance(space, spaces.Dict) else {"observations": space}


def _played(venv: VecEnv, n_steps: int, seed: int) -> dict[str, _Side]:
    """Act at random; every part by name."""
    n_rounds = max(3, -(-n_steps // venv.num_envs))
    policy = RandomPolicy(venv.action_space, venv.num_envs, seed)
    seen: list[Observations] = []
    dones: list[npt.NDArray[np.bool_]] = []
    with closing(steps(policy, venv)) as played:
        for step in islice(played, n_rounds + 1):
            seen.append(step.observations)
            dones.append(step.dones)
    resets = [seen[0]]
    while len(resets) * venv.num_envs < N_RESETS:
        resets.append(map_parts(np.array, venv.reset()))
    return {
        name: _agents_side(
            np.stack([parts_of(each)[name] for each in seen]),
            np.stack(dones),
            np.concatenate([parts_of(each)[name] for each in resets]),
        )
        for name in _spaces_of(venv.observation_space)
    }


def _agents_side(
    seen: npt.NDArray[Any], dones: npt.NDArray[np.bool_], starts: npt.NDArray[Any]
) -> _Side:
    """Sort what the agent saw.

    :param seen: before each step, shape (n_rounds + 1, n_envs, ...)
    :param dones: which steps ended an episode, shape (n_rounds + 1, n_envs)
    :param starts: first observations
    """
    goes_on = ~dones[:-1]
    pairs = np.stack([seen[:-1][goes_on], seen[1:][goes_on]])
    ends = [np.flatnonzero(each) for each in dones.T]
    lengths = [int(each[0]) + 1 if len(each) else len(seen) for each in ends]
    episodes = [seen[: min(length, LENGTH), i] for i, length in enumerate(lengths)]
    return _Side(pairs, starts, [each for each in episodes if len(each) > 1])
