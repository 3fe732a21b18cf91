"""dm_control's tasks, observed as states and as pixels."""

from sb3_vdb_envs.suite.env import SuitePixelEnv, SuiteStateEnv
from sb3_vdb_envs.suite.vector_env import SuiteVectorEnv, pixel_vector_env, state_vector_env

__all__ = [
    "SuitePixelEnv",
    "SuiteStateEnv",
    "SuiteVectorEnv",
    "pixel_vector_env",
    "state_vector_env",
]
