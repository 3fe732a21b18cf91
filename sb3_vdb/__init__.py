"""Learning from demonstrations with Stable-Baselines3: VAIL, VAIRL and their baselines, and the
papers' environments.
"""

import sb3_vdb_envs
from sb3_vdb.adversarial import AIRL, DAC, GAIL, VAIL, VAIRL, TrainerCheckpoint
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.extractors import BoundsExtractor, PartsExtractor
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.vec_env import GymnasiumVecEnv, make_vec_env
from sb3_vdb.version import __version__
from sb3_vdb.views import View
from sb3_vdb.vmail import VDAC, VMAIL

register_envs = sb3_vdb_envs.register_envs

__all__ = [
    "AIRL",
    "DAC",
    "GAIL",
    "VAIL",
    "VAIRL",
    "VDAC",
    "VMAIL",
    "BoundsExtractor",
    "Demonstrations",
    "GymnasiumVecEnv",
    "NonFiniteError",
    "PartsExtractor",
    "RecoveredReward",
    "RewardVecEnv",
    "TrainerCheckpoint",
    "Trajectory",
    "View",
    "__version__",
    "make_vec_env",
    "register_envs",
]
