"""Many mazes as one Gymnasium vector environment."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space

from sb3_vdb_envs.maze.batch import MazeBatch, action_space, observation_space
from sb3_vdb_envs.maze.env import MazeEnv
from sb3_vdb_envs.maze.layout import MazeLayout, layout_named
from sb3_vdb_envs.maze.picture import IMAGE_HEIGHT, MazePicture
from sb3_vdb_envs.vector import AutoresetMode, VectorEnv, same_step_infos

Infos = dict[str, Any]


class MazeVectorEnv(VectorEnv):  # type: ignore[misc]
    """``num_envs`` copies of :class:`MazeEnv` in one batch; spaces, rewards and infos are described
    there.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    :param num_envs: number of mazes
    :param layout: as for :class:`MazeEnv`
    :param start_noise: as for :class:`MazeEnv`
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (default: no step is lost, and the only mode Gymnasium
        0.29 knows), ``"NextStep"`` or ``"Disabled"``, with the meaning Gymnasium gives them
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of pictures in pixels
    :raises ValueError: a bad argument
    """

    metadata = MazeEnv.metadata

    def __init__(
        self,
        num_envs: int = 1,
        layout: str | MazeLayout = "c_maze",
        start_noise: float = 0.0,
        max_episode_steps: int | None = 100,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"`num_envs` must be at least 1, got {num_envs}")
        if max_episode_steps is not None and max_episode_steps < 1:
            raise ValueError(
                f"`max_episode_steps` must be at least 1 or None, got {max_episode_steps}"
            )
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f'`render_mode` must be "rgb_array" or None, got {render_mode!r}')
        self.num_envs = num_envs
        self.layout = layout_named(layout)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}  # type: ignore[misc]
        self.render_mode, self.render_height = render_mode, render_height
        self.single_observation_space, self.single_action_space = (
            observation_space(self.layout),
            action_space(),
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.max_episode_steps = max_episode_steps
        self._batch = MazeBatch(self.layout, num_envs, start_noise)
        self._generators: list[np.random.Generator] = []
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended, self._any_ended = np.zeros(num_envs, dtype=bool), False
        self._never = np.zeros(num_envs, dtype=bool)
        self._everyone = np.ones(num_envs, dtype=bool)
        self._picture: MazePicture | None = None
        self._trails: list[list[npt.NDArray[np.float32]]] = []

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], Infos]:
        """Start an episode in every maze, or in those that ``options["reset_mask"]`` (bool, shape
        (num_envs,)) marks.

        :param seed: one seed (maze i takes ``seed + i``), a list of seeds, or None to go on with
            the generators
        """
        self._seed(seed)
        mask = (options or {}).get("reset_mask", self._everyone)
        observations = self._restart(np.flatnonzero(mask))
        if self.render_mode is not None:
            self._trails = self._trails or [[] for _ in range(self.num_envs)]
            self._extend_trails(observations)
        return observations, self._infos(self._batch.info())

    def _seed(self, seed: int | list[int | None] | None) -> None:
        if seed is None and self._generators:
            return
        seeds = (
            [seed + i for i in range(self.num_envs)]
            if isinstance(seed, int)
            else seed or [None] * self.num_envs
        )
        if len(seeds) != self.num_envs:
            raise ValueError(
                f"`seed` must be one number or a list of {self.num_envs}, got {len(seeds)} of them"
            )
        old = self._generators or [None] * self.num_envs  # type: ignore[list-item]
        self._generators = [
            generator if one is None and generator is not None else seeding.np_random(one)[0]
            for one, generator in zip(seeds, old, strict=True)
        ]

    def step(
        self, actions: npt.NDArray[np.floating]
    ) -> tuple[
        npt.NDArray[np.float32],
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        Infos,
    ]:
        """Advance every maze by 0.05 s; ``actions`` of shape (num_envs, 2)."""
        if self._any_ended and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ValueError(
                "mazes have ended and `autoreset_mode` is Disabled; "
                'reset them with options={"reset_mask": mask} before the next step'
            )
        result = self._batch.step(np.asarray(actions))
        self._steps += 1
        observations, rewards = result.observations, result.rewards
        if self._any_ended:  # "NextStep": for the mazes that had ended, this step is the restart
            rewards[self._ended] = 0.0
            observations = self._restart(np.flatnonzero(self._ended))
        infos = self._infos(
            self._batch.info() | {f"reward/{term}": value for term, value in result.terms.items()}
        )
        truncated = self._never
        if self.max_episode_steps is not None and self._steps.max() >= self.max_episode_steps:
            truncated = self._steps >= self.max_episode_steps
            observations, infos = self._end_episodes(truncated, observations, infos)
        if self.render_mode is not None:
            self._extend_trails(observations)
        return observations, rewards, self._never.copy(), truncated.copy(), infos

    def _restart(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Start new episodes in some mazes.

        :return: observations of all mazes
        """
        self._batch.reset(indices, [self._generators[i] for i in indices])
        self._steps[indices] = 0
        self._ended[indices] = False
        self._any_ended = bool(self._ended.any())
        return self._batch.observe()

    def _end_episodes(
        self, ended: npt.NDArray[np.bool_], observations: npt.NDArray[np.float32], infos: Infos
    ) -> tuple[npt.NDArray[np.float32], Infos]:
        """Restart the ended mazes at once ("SameStep") or note that they have to be restarted."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._ended, self._any_ended = ended.copy(), True
            return observations, infos
        restarted = self._restart(np.flatnonzero(ended))
        terms = {
            key: value for key, value in infos.items() if key.lstrip("_").startswith("reward/")
        }
        return restarted, same_step_infos(
            self._infos(self._batch.info()) | terms, ended, observations, infos
        )

    def _infos(self, values: dict[str, npt.NDArray[Any]]) -> Infos:
        return values | {f"_{name}": self._everyone for name in values}

    def _extend_trails(self, observations: npt.NDArray[np.float32]) -> None:
        for i, observation in enumerate(observations):
            self._trails[i] = [*self._trails[i], observation] if self._steps[i] else [observation]

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """One picture a maze, each of shape (render_height, width, 3); None without a render
        mode.
        """
        if self.render_mode is None:
            return None
        if not self._trails:
            raise gym.error.ResetNeeded("call reset() before render()")
        self._picture = self._picture or MazePicture(self.layout, self.render_height)
        return tuple(self._picture.draw(trail) for trail in self._trails)

    def get_state(self) -> dict[str, Any]:
        """Everything the next steps depend on: physics, clocks and random generators, as arrays and
        JSON-able values.
        """
        generators = [generator.bit_generator.state for generator in self._generators]
        clocks = {"steps": self._steps.copy(), "ended": self._ended.copy()}
        return {**self._batch.get_state(), **clocks, "generators": generators}

    def set_state(self, state: dict[str, Any]) -> npt.NDArray[np.float32]:
        """Restore what :meth:`get_state` returned.

        :return: observations of all mazes
        """
        self._batch.set_state(state)
        self._steps, self._ended = state["steps"].copy(), state["ended"].copy()
        self._any_ended = bool(self._ended.any())
        self._generators = []
        if state["generators"]:  # empty before the first reset
            self._seed([0] * self.num_envs)
        for generator, one in zip(self._generators, state["generators"], strict=True):
            generator.bit_generator.state = one
        observations = self._batch.observe()
        self._trails = [[point] for point in observations]
        return observations


c_maze_vector_env = partial(MazeVectorEnv, layout="c_maze")
c_maze_flipped_vector_env = partial(MazeVectorEnv, layout="c_maze_flipped")
s_maze_vector_env = partial(MazeVectorEnv, layout="s_maze")
s_maze_flipped_vector_env = partial(MazeVectorEnv, layout="s_maze_flipped")
