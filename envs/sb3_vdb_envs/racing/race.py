"""One car on one track: gymnasium's game without its pictures, and what makes it again."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require

EXTRA = "box2d"  # of the pip package
MODULE = "gymnasium.envs.box2d.car_racing"
FRAMES_PER_SECOND = 50  # of the game
FRAME_LIMIT = 1000  # frames of an episode, the settling ones not counted: gymnasium's limit
TIME_REWARD = -0.1  # a frame, the game's
OFF_FIELD_REWARD = -100.0  # in place of all else in the frame in which the car leaves the field
TRACK_REWARD = 1000.0  # for all tiles of the track together
TERMS = ("tiles", "time", "off_field")  # of the reward


class RaceStep(NamedTuple):
    """What one action brought."""

    terms: dict[str, float]  # of the reward, by TERMS, summed over the action's frames
    terminated: bool
    truncated: bool


def car_racing() -> Any:
    """Import gymnasium's module of the game.

    :raises gymnasium.error.DependencyNotInstalled: Box2D or pygame is missing
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on stdout
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Box2D's generated classes
        for module in ("Box2D", "pygame"):
            require(module, EXTRA)
        return require(MODULE, EXTRA)


class Race:
    """Drives a car through episodes on random tracks.

    Box2D keeps memory (contacts, impulses of the last step) that cannot be read from outside. What
    is saved of a race is therefore its beginning and all actions since then, and restoring carries
    them out again: exact, and 0.1 s for a whole episode.

    :param action_repeat: frames an action lasts
    :param settling_frames: frames without action at the start of an episode
    """

    game: Any = None  # gymnasium's CarRacing, made anew for each episode

    def __init__(self, action_repeat: int, settling_frames: int) -> None:
        self.action_repeat, self.settling_frames = action_repeat, settling_frames
        self._module = car_racing()
        self.frames, self.ended, self.lap_finished = 0, True, False
        self._origin: dict[str, Any] | None = None  # state of the generator that made the track
        self._actions: list[npt.NDArray[np.float64]] = []  # since the start of the episode
        self._tiles = 0  # visited and paid for

    @property
    def tiles_share(self) -> float:
        """Visited share of the track's tiles, 0 to 1."""
        return float(self.game.tile_visited_count / len(self.game.track)) if self.game else 0.0

    def start(self, generator: np.random.Generator) -> None:
        """Make a track and put the car on it; the same as gymnasium's for the same generator.

        A world that has been used computes other last digits than a new one.
        """
        self.close()
        self._origin = copy.deepcopy(dict(generator.bit_generator.state))
        game = self._module.CarRacing()
        game._render = lambda mode: None  # the game draws a picture in each step; see `picture`
        game.np_random = generator
        game.reset()
        for _ in range(self.settling_frames):
            game.step(None)
        self.game, self._actions, self._tiles = game, [], 0
        self.frames, self.ended, self.lap_finished = 0, False, False

    def step(self, action: npt.NDArray[np.float64]) -> RaceStep:
        """Apply an action for ``action_repeat`` frames, or until the episode ends.

        :param action: steering, gas and brake, each from -1 to 1, shape (3,)
        :raises gymnasium.error.ResetNeeded: the episode has ended or not begun
        """
        if self.ended:
            raise gym.error.ResetNeeded("the episode has ended or not begun; call reset()")
        self._actions.append(action)
        control = np.array([action[0], (action[1] + 1.0) / 2.0, (action[2] + 1.0) / 2.0])
        terms, terminated, truncated = dict.fromkeys(TERMS, 0.0), False, False
        for _ in range(self.action_repeat):
            terminated = self._frame(control, terms)
            truncated = not terminated and self.frames >= FRAME_LIMIT
            if terminated or truncated:
                break
        self.ended = terminated or truncated
        return RaceStep(terms, terminated, truncated)

    def _frame(self, control: npt.NDArray[np.float64], terms: dict[str, float]) -> bool:
        """Simulate one frame and add what it pays to the terms.

        Gymnasium 0.29 truncates at the end of the lap, 1.x terminates; here it is always the
        latter.

        :param control: as the game takes it: steering from -1 to 1, gas and brake from 0 to 1
        :return: whether the episode ends
        """
        _, reward, terminated, truncated, _ = self.game.step(control)
        self.frames += 1
        if reward == OFF_FIELD_REWARD:
            terms["off_field"] += OFF_FIELD_REWARD
            return True
        visited = self.game.tile_visited_count
        terms["tiles"] += (visited - self._tiles) * TRACK_REWARD / len(self.game.track)
        terms["time"] += TIME_REWARD
        self._tiles = visited
        self.lap_finished = bool(terminated or truncated)
        return self.lap_finished

    def picture(self, height: int) -> npt.NDArray[np.uint8]:
        """Draw the game's own picture, as people see it, with the return in its corner.

        :param height: pixels
        :return: shape (height, 1.25 height, 3)
        """
        pygame = require("pygame", EXTRA)
        type(self.game)._render(self.game, "rgb_array")
        width = round(height * self._module.WINDOW_W / self._module.WINDOW_H)
        scaled = pygame.transform.smoothscale(self.game.surf, (width, height))
        return np.ascontiguousarray(pygame.surfarray.array3d(scaled).swapaxes(0, 1))

    def get_state(self) -> tuple[dict[str, Any] | None, npt.NDArray[np.float64]]:
        """Return the state of the random generator at the start of the episode, None before the
        first one, and the actions since then, shape (steps, 3).
        """
        return copy.deepcopy(self._origin), np.array(self._actions).reshape(-1, 3)

    def close(self) -> None:
        """Free the game. Box2D's bodies hold themselves, which Python's collector cannot see."""
        if self.game is not None:
            self.game._destroy()
        self.game, self.ended = None, True

    def __del__(self) -> None:
        """Free the game of a race that nobody holds."""
        if not sys.is_finalizing():
            self.close()

    def begin_again(self, origin: dict[str, Any]) -> None:
        """Start the episode whose generator was in this state."""
        generator = np.random.Generator(getattr(np.random, origin["bit_generator"])())
        generator.bit_generator.state = origin
        self.start(generator)
