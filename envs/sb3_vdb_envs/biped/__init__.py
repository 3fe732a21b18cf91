"""A planar biped that a camera sees from the side, to imitate videos of motions."""

from sb3_vdb_envs.biped.env import BipedEnv
from sb3_vdb_envs.biped.vector_env import BipedVectorEnv

__all__ = ["BipedEnv", "BipedVectorEnv"]
