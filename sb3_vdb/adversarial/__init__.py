"""Adversarial imitation and inverse RL: GAIL, VAIL, AIRL, VAIRL, DAC."""

from sb3_vdb.adversarial.airl import AIRL, VAIRL
from sb3_vdb.adversarial.callbacks import TrainerCheckpoint
from sb3_vdb.adversarial.dac import DAC
from sb3_vdb.adversarial.gail import GAIL, VAIL
from sb3_vdb.adversarial.health import HealthCallback, Illness, diagnose
from sb3_vdb.adversarial.presets import PRESETS, preset
from sb3_vdb.adversarial.trainer import AdversarialTrainer

__all__ = [
    "AIRL",
    "DAC",
    "GAIL",
    "PRESETS",
    "VAIL",
    "VAIRL",
    "AdversarialTrainer",
    "HealthCallback",
    "Illness",
    "TrainerCheckpoint",
    "diagnose",
    "preset",
]
