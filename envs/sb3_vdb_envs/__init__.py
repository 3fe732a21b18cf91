"""Gymnasium environments of the two papers; importing this package registers their ids and loads no
simulator.
"""

from sb3_vdb_envs.registration import ENVIRONMENTS, environment, register_envs
from sb3_vdb_envs.table import SIMULATORS, EnvironmentRow

register_envs()

__all__ = ["ENVIRONMENTS", "SIMULATORS", "EnvironmentRow", "environment", "register_envs"]
