"""Planners on an environment's true dynamics: demonstrations for tasks that nobody has solved."""

from sb3_vdb.planners.cem import CEM
from sb3_vdb.planners.dynamics import BatchDynamics, Dynamics, SingleDynamics, make_dynamics
from sb3_vdb.planners.mppi import MPPI
from sb3_vdb.planners.planner import Planner

__all__ = [
    "CEM",
    "MPPI",
    "BatchDynamics",
    "Dynamics",
    "Planner",
    "SingleDynamics",
    "make_dynamics",
]
