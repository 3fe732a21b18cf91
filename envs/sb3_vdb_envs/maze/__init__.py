"""C- and S-maze: a point mass, walls, and a goal; numpy only."""

from sb3_vdb_envs.maze.env import MazeEnv
from sb3_vdb_envs.maze.layout import LAYOUTS, MazeLayout, Wall
from sb3_vdb_envs.maze.vector_env import MazeVectorEnv
from sb3_vdb_envs.maze.waypoints import WaypointController

__all__ = [
    "LAYOUTS",
    "MazeEnv",
    "MazeLayout",
    "MazeVectorEnv",
    "Wall",
    "WaypointController",
]
