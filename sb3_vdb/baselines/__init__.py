"""What the papers compare with: learning a motion from DeepMimic's hand-made reward."""

from sb3_vdb.baselines.deepmimic import DeepMimicPolicy, DeepMimicPPO, LinearFall

__all__ = ["DeepMimicPPO", "DeepMimicPolicy", "LinearFall"]
