"""Gymnasium environments of the two papers; importing this package registers their ids and loads no
simulator.
"""

from sb3_vdb_envs.registration import ENVIRONMENTS, EnvironmentRow, register_envs

register_envs()

__all__ = ["ENVIRONMENTS", "EnvironmentRow", "register_envs"]
