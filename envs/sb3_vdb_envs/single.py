"""A batch of one copy as a single Gymnasium environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import EnvBatch, Infos, check_action_shape, check_render_mode
from sb3_vdb_envs.copying import deep_copy
from sb3_vdb_envs.vector import row_of

if TYPE_CHECKING:
    from typing_extensions import Self

FIRST = np.zeros(1, dtype=np.intp)  # index of the only copy


class BatchOfOneEnv(gym.Env[Any, npt.NDArray[np.float32]]):
    """A batch of one copy as a single environment; Gymnasium's wrapper sets its time limit.

    :param batch: one copy
    :param render_mode: one of the class's ``metadata`` or None
    :raises ValueError: unknown render mode
    """

    def __init__(self, batch: EnvBatch, render_mode: str | None) -> None:
        check_render_mode(render_mode)
        self._batch, self.render_mode = batch, render_mode
        self.observation_space = batch.observation_space
        self.action_space: Any = batch.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Start an episode; ``options`` are not used."""
        super().reset(seed=seed)
        self._batch.reset(FIRST, [self.np_random])
        return row_of(self._batch.observe(), 0), _plain(self._batch.info())

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Any, float, bool, bool, Infos]:
        """Advance by one control step.

        :raises ValueError: the action has another shape than those of the action space
        """
        action = np.asarray(action)
        check_action_shape(action.shape, self.action_space.shape)
        result = self._batch.step(action[None])
        infos = _plain({**result.infos, **self._batch.info()})
        terminated = result.terminated is not None and bool(result.terminated[0])
        truncated = result.truncated is not None and bool(result.truncated[0])
        observation, reward = row_of(result.observations, 0), float(result.rewards[0])
        return observation, reward, terminated, truncated, infos

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the environment where it is; the copy opens a picture of its own."""
        return deep_copy(self, memo, _picture=None)


def _plain(infos: dict[str, npt.NDArray[Any]]) -> Infos:
    """Give the infos of the only copy as plain numbers."""
    return {name: values[0].item() for name, values in infos.items()}
