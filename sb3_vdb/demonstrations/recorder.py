"""A wrapper that records episodes while a person, a script or a policy acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.files import with_default_suffix
from sb3_vdb.transitions import Observations, map_parts
from sb3_vdb.views import View


class RecordDemonstrations(gym.Wrapper[Any, Any, Any, Any]):
    """Records the episodes of an environment: observations, executed actions, rewards, and whether
    they ended by themselves.

    :param env: with observations of arrays, or a Dict of arrays; frames are stacked, and pictures
        scaled, by wrappers inside this one
    :param path: an npz file that is written after every episode, all of it or nothing, so that an
        interruption loses the current episode alone; episodes that are there already are kept.
        None writes nothing before :meth:`save`.
    :param keep_unfinished: whether an episode that is given up with ``reset`` before its end is
        kept, as one that was cut off
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        path: str | Path | None = None,
        keep_unfinished: bool = False,
    ) -> None:
        super().__init__(env)
        self.keep_unfinished = keep_unfinished
        self.path = None if path is None else with_default_suffix(path, ".npz")
        self._episodes: list[Trajectory] = []
        if self.path is not None and self.path.exists():
            self._episodes = list(Demonstrations.load(self.path))
        self._clear()

    def _clear(self) -> None:
        """Begin an episode."""
        self._observations: list[Observations] = []
        self._actions: list[Any] = []
        self._rewards: list[float] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        if self.keep_unfinished:
            self._finish(terminal=False)
        self._clear()
        observation, info = self.env.reset(seed=seed, options=options)
        self._observations.append(_copied(observation))
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step, and write the episode if it has ended."""
        kept = np.array(action, dtype=self.action_space.dtype)  # the environment may change it
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observations.append(_copied(observation))
        self._actions.append(kept)
        self._rewards.append(float(reward))
        if terminated or truncated:
            self._finish(bool(terminated))
        return observation, reward, terminated, truncated, info

    def _finish(self, terminal: bool) -> None:
        """Keep the current episode, if it has a step."""
        if self._actions:
            self._episodes.append(
                Trajectory(
                    map_parts(lambda *parts: np.stack(parts), *self._observations),
                    np.stack(self._actions),
                    np.array(self._rewards, dtype=np.float32),
                    terminal,
                    getattr(self.unwrapped, "action_repeat", None),
                )
            )
            if self.path is not None:
                self.save(self.path)
        self._clear()

    @property
    def n_episodes(self) -> int:
        """Number of episodes that are recorded."""
        return len(self._episodes)

    def demonstrations(self, view: View | None = None) -> Demonstrations:
        """Return the episodes that have ended.

        :param view: what GAIL and VAIL see of them unless they are told
        :raises ValueError: there are none
        """
        if not self._episodes:
            raise ValueError("no episode has ended yet; act until one does, or keep_unfinished")
        return Demonstrations(self._episodes, view)

    def drop_last(self) -> None:
        """Forget the last episode, which went wrong; the file keeps it until the next one ends.

        :raises ValueError: there is none
        """
        if not self._episodes:
            raise ValueError("there is no episode to drop")
        self._episodes.pop()
        if self.path is not None and self._episodes:
            self.save(self.path)

    def save(self, path: str | Path) -> Path:
        """Write the episodes that have ended, losslessly and atomically.

        :param path: of the npz file
        :return: the path written to
        :raises ValueError: there are none
        """
        return self.demonstrations().save(path)

    def close(self) -> None:
        """Keep an unfinished episode if that was asked for, and close the environment."""
        if self.keep_unfinished:
            self._finish(terminal=False)
        super().close()


def _copied(observation: Any) -> Observations:
    """Copy an observation, since environments may write into theirs.

    :raises ValueError: it is a tuple or a text
    """
    if isinstance(observation, (tuple, str)):
        raise ValueError(
            f"the observation is a {type(observation).__name__}; wrap the environment in "
            "gymnasium.wrappers.FlattenObservation first"
        )
    return map_parts(np.array, observation)
