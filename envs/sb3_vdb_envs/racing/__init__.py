"""Gymnasium's CarRacing with fast pictures, its state twin and a scripted driver."""

from sb3_vdb_envs.racing.driver import CarDriver
from sb3_vdb_envs.racing.env import RacingEnv
from sb3_vdb_envs.racing.vector_env import RacingVectorEnv

__all__ = ["CarDriver", "RacingEnv", "RacingVectorEnv"]
