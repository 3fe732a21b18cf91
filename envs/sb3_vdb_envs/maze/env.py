"""The maze as a single Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from sb3_vdb_envs.maze.batch import MazeBatch
from sb3_vdb_envs.maze.layout import MazeLayout, layout_named
from sb3_vdb_envs.maze.physics import FRAME_SKIP, TIMESTEP
from sb3_vdb_envs.maze.picture import IMAGE_HEIGHT, MazePicture
from sb3_vdb_envs.single import BatchOfOneEnv


class MazeEnv(BatchOfOneEnv, EzPickle):
    """Point mass that finds its way round walls; the C- and S-maze of the VDB paper (section 5.2
    and appendix D).

    ## Description
    A sphere of radius 0.03 m and 0.113 kg slides without friction but with damping (1 N s/m) on a
    plane. Walls are capsules of radius 0.02 m. A control step lasts 0.05 s (5 physics steps of
    0.01 s).

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: force along x and y as a share of the force limit (1 N in the
    C-maze, 5 N in the S-maze, so also the terminal speed in m/s; ``force_limit`` changes it).
    Values beyond the bounds act as the bound.

    ## Observation Space
    ``Box`` of shape (2,): position (x, y) in m. The velocity is not observed (paper). The released
    code adds the constant height 0 as a third number, which is left out here.

    With ``image_size``, ``Box(0, 255, (image_size, image_size, 3), uint8)``: walls and particle
    from above, without the goal and without the velocity, which two pictures show.

    ## Rewards
    C-maze: ``-d - 0.001 |f|^2``, ``d`` the distance to the goal before the step, ``f`` the applied
    force in N. The released code charges the action before it is limited; here the applied force
    is charged, since SB3 clips actions. S-maze: 2 within 0.1 m of the goal, 1 within 0.2 m (before
    the step), plus the way gained along the path through the gaps. ``info["reward/<term>"]`` has
    the terms.

    ## Starting State
    The mean start, with each velocity component uniform in +-0.01 m/s. The paper starts at a
    random point near the mean start and does not say how near; its released code always starts at
    the mean. The default follows the code, with which the paper's figures were made;
    ``start_noise`` is the radius of a uniform disc for the paper's version.

    ## Episode End
    Never by itself; truncated after 100 steps (``max_episode_steps`` of the id).

    ## Information
    ``distance_to_goal`` in m and ``is_success`` (within 0.1 m), both after the step.

    ## Arguments

    :param layout: name of a layout (``c_maze``, ``c_maze_flipped``, ``s_maze``,
        ``s_maze_flipped``) or a ``MazeLayout``
    :param start_noise: radius in m of the disc of start positions
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of pictures in pixels
    :param force_limit: largest force along each axis in N; None for the layout's
    :param image_size: height and width of observations in pixels; None observes positions
    :raises ValueError: unknown layout, a start disc that touches a wall, unknown render mode, a
        force that is not positive or too strong for the walls' distance, pictures that are too
        small

    ## Version History
    v0: first version.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / (TIMESTEP * FRAME_SKIP)),
    }

    def __init__(
        self,
        layout: str | MazeLayout = "c_maze",
        start_noise: float = 0.0,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
        force_limit: float | None = None,
        image_size: int | None = None,
    ) -> None:
        EzPickle.__init__(
            self, layout, start_noise, render_mode, render_height, force_limit, image_size
        )
        self.layout, self.render_height = layout_named(layout, force_limit), render_height
        self.mazes = MazeBatch(self.layout, 1, start_noise, image_size)
        BatchOfOneEnv.__init__(self, self.mazes, render_mode)
        self._picture: MazePicture | None = None
        self._trail: list[npt.NDArray[np.float32]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Start an episode; ``options`` are not used."""
        started = super().reset(seed=seed)
        self._trail = [self.mazes.positions()[0]]
        return started

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Advance by 0.05 s under the force ``action``, shape (2,)."""
        result = super().step(action)
        self._trail.append(self.mazes.positions()[0])
        return result

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Render walls, goal, particle and trail, shape (render_height, width, 3); None without a
        render mode.
        """
        if self.render_mode is None:
            return None
        if not self._trail:
            raise gym.error.ResetNeeded("call reset() before render()")
        self._picture = self._picture or MazePicture(self.layout, self.render_height)
        return self._picture.render(self._trail)
