"""Policies that learned from a video and come with the package."""

from __future__ import annotations

from pathlib import Path

from sb3_vdb.experiments.humanoid.shipping import Source
from sb3_vdb.experiments.motion_imitation.shipping import ship_learned
from sb3_vdb.experiments.video_imitation.training import VideoRun

SHIPPED_LABEL = VideoRun.DOCUMENTED[0]
SOURCE = Source(
    "VAIL's reward for differences to a video's frames, episodes begun anywhere in the clip",
    "video-imitation",
    "ship-videos",
)


def ship_videos(out: Path) -> list[Path]:
    """Put the best policy of every skill that VAIL learned from frames into the package.

    :param out: folder of the runs
    :return: the files
    """
    return ship_learned(out, VideoRun, SHIPPED_LABEL, SOURCE)
