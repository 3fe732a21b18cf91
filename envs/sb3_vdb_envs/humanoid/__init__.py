"""The mocap humanoid of DeepMimic and of the VDB paper."""

from sb3_vdb_envs.humanoid.clips import MotionClip
from sb3_vdb_envs.humanoid.env import HumanoidEnv
from sb3_vdb_envs.humanoid.vector_env import HumanoidVectorEnv

__all__ = ["HumanoidEnv", "HumanoidVectorEnv", "MotionClip"]
