"""V-MAIL: imitation from pixels inside a learned world model."""

from sb3_vdb.vmail.callbacks import InspectionCallback
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.presets import PRESETS, preset
from sb3_vdb.vmail.selection import DiscriminatorEvalCallback
from sb3_vdb.vmail.source_tasks import SourceTasks
from sb3_vdb.vmail.vdac import VDAC
from sb3_vdb.vmail.vmail import VMAIL

__all__ = [
    "PRESETS",
    "VDAC",
    "VMAIL",
    "DiscriminatorEvalCallback",
    "InspectionCallback",
    "SourceTasks",
    "VMAILPolicy",
    "preset",
]
