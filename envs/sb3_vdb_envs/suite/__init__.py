"""dm_control's tasks, observed as states and as pixels."""

from sb3_vdb_envs.suite.env import SuitePixelEnv, SuiteStateEnv

__all__ = ["SuitePixelEnv", "SuiteStateEnv"]
