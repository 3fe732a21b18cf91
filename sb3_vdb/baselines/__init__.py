"""What the papers compare with: DeepMimic's hand-made reward, and behavioural cloning."""

from sb3_vdb.baselines.behavioural_cloning import BehaviouralCloning, ClonedPolicy
from sb3_vdb.baselines.deepmimic import DeepMimicPolicy, DeepMimicPPO

__all__ = ["BehaviouralCloning", "ClonedPolicy", "DeepMimicPPO", "DeepMimicPolicy"]
