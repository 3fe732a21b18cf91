"""SB3 environments: made from ids, of Gymnasium's vector environments, and what is in a stack."""

from sb3_vdb.vec_env.gymnasium_vec_env import (
    DISABLED,
    GYMNASIUM_1,
    MASKS,
    NEXT_STEP,
    SAME_STEP,
    GymnasiumVecEnv,
    autoreset_mode_of,
)
from sb3_vdb.vec_env.making import make_vec_env
from sb3_vdb.vec_env.stack import (
    action_repeat_of,
    as_vec_env,
    below_normalize,
    lowest_normalize,
    wrappers,
)

__all__ = [
    "DISABLED",
    "GYMNASIUM_1",
    "MASKS",
    "NEXT_STEP",
    "SAME_STEP",
    "GymnasiumVecEnv",
    "action_repeat_of",
    "as_vec_env",
    "autoreset_mode_of",
    "below_normalize",
    "lowest_normalize",
    "make_vec_env",
    "wrappers",
]
