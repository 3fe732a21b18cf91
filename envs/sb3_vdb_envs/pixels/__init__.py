"""dm_control's tasks, observed as states and as pixels."""

from sb3_vdb_envs.pixels.env import PixelEnv, StateEnv

__all__ = ["PixelEnv", "StateEnv"]
