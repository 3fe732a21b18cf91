"""The mazes as MuJoCo models, built from the same numbers: the yardstick of the numpy physics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.layout import PARTICLE_RADIUS, WALL_RADIUS, MazeLayout
from sb3_vdb_envs.maze.physics import DAMPING, DENSITY, FRAME_SKIP, TIMESTEP

WALL_HEIGHT = 0.01  # m, of the walls' axes above the plane of motion, as released


def maze_xml(layout: MazeLayout) -> str:
    """Describe one maze in MJCF: two slide joints, frictionless contacts, capsule walls."""
    x_min, x_max, y_min, y_max = layout.box
    corners = [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max), (x_min, y_min)]
    segments = [(*a, *b) for a, b in pairwise(corners)]
    segments += [(wall.x_min, wall.y, wall.x_max, wall.y) for wall in layout.walls]
    walls = "\n".join(
        f'<geom type="capsule" size="{WALL_RADIUS}" '
        f'fromto="{x0} {y0} {WALL_HEIGHT} {x1} {y1} {WALL_HEIGHT}"/>'
        for x0, y0, x1, y1 in segments
    )
    limit = layout.force_limit
    return f"""
    <mujoco>
      <option timestep="{TIMESTEP}" gravity="0 0 0" integrator="Euler" iterations="20"/>
      <default>
        <joint damping="{DAMPING}"/>
        <geom density="{DENSITY}" condim="1" margin="0.002" contype="1" conaffinity="1"/>
        <motor gear="1" ctrllimited="true" ctrlrange="-{limit} {limit}"/>
      </default>
      <worldbody>
        <body name="particle" pos="0 0 0">
          <geom type="sphere" size="{PARTICLE_RADIUS}"/>
          <joint name="x" type="slide" axis="1 0 0"/><joint name="y" type="slide" axis="0 1 0"/>
        </body>
        {walls}
      </worldbody>
      <actuator><motor joint="x"/><motor joint="y"/></actuator>
    </mujoco>"""


class MujocoMaze:
    """One maze in MuJoCo, stepped like :class:`sb3_vdb_envs.maze.physics.PointMassPhysics`."""

    def __init__(self, layout: MazeLayout) -> None:
        import mujoco

        self._mujoco = mujoco
        self.model = mujoco.MjModel.from_xml_string(maze_xml(layout))
        self.data = mujoco.MjData(self.model)

    def place(
        self, position: tuple[float, float], velocity: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """Put the particle at ``position`` (m) with ``velocity`` (m/s)."""
        self._mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = position, velocity

    def step(self, force: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Make one control step under ``force`` (N), and return the position afterwards (m)."""
        self.data.ctrl[:] = force
        self._mujoco.mj_step(self.model, self.data, FRAME_SKIP)
        position: npt.NDArray[np.float64] = self.data.qpos.copy()
        return position
