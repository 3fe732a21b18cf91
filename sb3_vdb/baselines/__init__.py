"""What the papers compare with: DeepMimic's hand-made reward and that of pixels, behavioural
cloning, alone or as a warm start, SQIL, and conservative Q-learning on stored steps.
"""

from sb3_vdb.baselines.behavioural_cloning import BehaviouralCloning, ClonedPolicy
from sb3_vdb.baselines.cql import CQL
from sb3_vdb.baselines.deepmimic import DeepMimicPolicy, DeepMimicPPO
from sb3_vdb.baselines.offline import fill_replay_buffer, learn_offline
from sb3_vdb.baselines.pixel_reward import PixelReward
from sb3_vdb.baselines.sqil import SQILDictReplayBuffer, SQILReplayBuffer
from sb3_vdb.baselines.warm_start import warm_start

__all__ = [
    "CQL",
    "BehaviouralCloning",
    "ClonedPolicy",
    "DeepMimicPPO",
    "DeepMimicPolicy",
    "PixelReward",
    "SQILDictReplayBuffer",
    "SQILReplayBuffer",
    "fill_replay_buffer",
    "learn_offline",
    "warm_start",
]
