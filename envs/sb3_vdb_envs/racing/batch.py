"""A batch of races: what the single and the vector environment stand on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb_envs.batched import BatchStep, check_whole
from sb3_vdb_envs.racing.features import CentreLine, state_space
from sb3_vdb_envs.racing.picture import RacePicture, picture_space
from sb3_vdb_envs.racing.race import TERMS, Race

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = npt.NDArray[np.float64]


def action_space() -> spaces.Box:
    """Make the box of steering (-1 is left), gas and brake (-1 is none, 1 is all)."""
    return spaces.Box(-1.0, 1.0, (3,), dtype=np.float32)


class RacingBatch:
    """n races, one after the other: Box2D keeps Python's lock, so threads would bring nothing.

    :param n_races: number of copies
    :param action_repeat: frames an action lasts
    :param settling_frames: frames without action at the start of an episode
    :param image_size: height and width of the pictures that are observed; None observes states
    :param frame_stack: pictures in an observation
    :raises ValueError: a number is too small, or states are to be stacked
    """

    def __init__(
        self,
        n_races: int,
        action_repeat: int,
        settling_frames: int,
        image_size: int | None,
        frame_stack: int,
    ) -> None:
        check_whole("action_repeat", action_repeat, 1, "frames")
        check_whole("settling_frames", settling_frames, 0, "frames")
        if image_size is None and frame_stack != 1:
            raise ValueError(
                f"`frame_stack` stacks pictures, got {frame_stack} without `image_size`; leave it "
                "out, or observe pictures with image_size=64"
            )
        self._arguments = n_races, action_repeat, settling_frames, image_size, frame_stack
        self._frame_stack = frame_stack
        self.observation_space = (
            state_space() if image_size is None else picture_space(image_size, frame_stack)
        )
        self.action_space = action_space()
        self.races = [Race(int(action_repeat), int(settling_frames)) for _ in range(n_races)]
        self._lines: list[CentreLine | None] = [None] * n_races
        self._pictures = [] if image_size is None else [RacePicture(image_size) for _ in self.races]
        self._stacks: list[deque[npt.NDArray[np.uint8]]] = [
            deque(maxlen=frame_stack) for _ in self.races
        ]
        shape = (n_races, *self.observation_space.shape)
        self._observations: npt.NDArray[Any] = np.zeros(shape, self.observation_space.dtype)

    def reset(self, indices: npt.NDArray[np.intp], generators: list[np.random.Generator]) -> None:
        """Start an episode in some copies, each on a track of its own random generator."""
        for i, generator in zip(indices, generators, strict=True):
            self.races[i].start(generator)
            self._begin(int(i))
            self._look(int(i))

    def _begin(self, i: int) -> None:
        """Learn the new track of a copy."""
        self._stacks[i].clear()
        if self._pictures:
            self._pictures[i].begin(self.races[i].game)
        else:
            self._lines[i] = CentreLine(self.races[i].game.track)

    def _look(self, i: int) -> None:
        """Observe what a copy shows now."""
        game, line = self.races[i].game, self._lines[i]
        if line is not None:
            self._observations[i] = line.observe(game.car)
            return
        picture, stack = self._pictures[i].draw(game), self._stacks[i]
        stack.extend([picture] * (1 if stack else self._frame_stack))
        self._observations[i] = np.concatenate(list(stack), axis=-1)

    def observe(self) -> npt.NDArray[Any]:
        """Return states, shape (n, 59), or pictures, shape (n, size, size, 3 * frame_stack)."""
        return self._observations.copy()

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return what is reported beside observation and reward; arrays of shape (n,)."""
        return {
            "frames": np.array([race.frames for race in self.races]),
            "tiles_share": np.array([race.tiles_share for race in self.races]),
            "is_success": np.array([race.lap_finished for race in self.races]),
        }

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Apply an action in every copy; one that has ended waits for its restart.

        :param actions: shape (n, 3); values beyond [-1, 1] act as the bound they pass
        :raises ValueError: an action is not a number
        """
        bounded = np.minimum(np.maximum(actions.astype(np.float64), -1.0), 1.0)
        if np.isnan(bounded.sum()):
            bad = int(np.flatnonzero(np.isnan(bounded).any(axis=1))[0])
            raise ValueError(
                f"action of race {bad} is {actions[bad].tolist()}; "
                "check the policy for weights that are not finite"
            )
        n = len(self.races)
        terms = {term: np.zeros(n) for term in TERMS}
        terminated, truncated = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        for i, race in enumerate(self.races):
            if race.ended and race.game is not None:
                continue
            paid, terminated[i], truncated[i] = race.step(bounded[i])
            for term in TERMS:
                terms[term][i] = paid[term]
            self._look(i)
        infos = {f"reward/{term}": values for term, values in terms.items()}
        rewards = terms["tiles"] + terms["time"] + terms["off_field"]
        return BatchStep(self.observe(), rewards, infos, terminated, truncated)

    def render(self, i: int, height: int) -> npt.NDArray[np.uint8]:
        """Draw a copy for people.

        :raises gymnasium.error.ResetNeeded: no episode has begun
        """
        if self.races[i].game is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        return self.races[i].picture(height)

    def get_state(self) -> dict[str, Any]:
        """Return what makes the present moment again: for each copy the state of the random
        generator that made its track, and the actions since then.
        """
        states = [race.get_state() for race in self.races]
        return {
            "origins": [origin for origin, _ in states],
            "actions": np.concatenate([actions for _, actions in states]),
            "n_actions": np.array([len(actions) for _, actions in states]),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go through the episodes of :meth:`get_state` again, up to where they were."""
        actions = np.split(np.asarray(state["actions"]), np.cumsum(state["n_actions"])[:-1])
        for i, (origin, taken) in enumerate(zip(state["origins"], actions, strict=True)):
            if origin is not None:
                self._go_through(i, origin, taken)

    def _go_through(self, i: int, origin: dict[str, Any], actions: Floats) -> None:
        """Carry out an episode's actions; only pictures of the last stack are drawn."""
        race = self.races[i]
        race.begin_again(origin)
        self._begin(i)
        if len(actions) < self._frame_stack:
            self._look(i)
        for step, action in enumerate(actions):
            race.step(action)
            if step >= len(actions) - self._frame_stack:
                self._look(i)

    def close(self) -> None:
        """Free the games; closing twice is legal."""
        for race in self.races:
            race.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the races where they are; the copy draws on surfaces of its own."""
        copied = type(self)(*self._arguments)
        memo[id(self)] = copied
        copied.set_state(self.get_state())
        return copied
