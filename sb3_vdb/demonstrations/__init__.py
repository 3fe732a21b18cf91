"""Demonstrations: raw episodes of experts, and how batches of them are sampled."""

from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.recorder import RecordDemonstrations
from sb3_vdb.demonstrations.sampling import EpochSampler
from sb3_vdb.demonstrations.summary import Summary
from sb3_vdb.demonstrations.trajectory import Trajectory

__all__ = ["Demonstrations", "EpochSampler", "RecordDemonstrations", "Summary", "Trajectory"]
