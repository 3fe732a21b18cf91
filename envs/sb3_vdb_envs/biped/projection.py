"""Motion clips in the biped's plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.biped.character import WELDED_ROWS, angles_of, rotations_of
from sb3_vdb_envs.humanoid import rotations
from sb3_vdb_envs.humanoid.clips import Frames, MotionClip

Array = npt.NDArray[np.float64]

LARGEST_TURN = 0.5  # rad, mean of the root's rotation out of the plane


def project(clip: MotionClip) -> MotionClip:
    """Project a clip to the sagittal plane: the root's way forward and up, and of every rotation
    its twist about the axis that points to the side (swing-twist decomposition). Welded joints keep
    their mean angle.

    :param clip: of the humanoid, in which the character looks along x
    :return: a clip of the same frames
    :raises ValueError: the character turns out of the plane
    """
    frames = clip.frames
    angles = angles_of(frames.rotations)
    out = rotations.geodesic(frames.rotations[:, 0], rotations_of(angles[:, 0])).mean()
    if out > LARGEST_TURN:
        raise ValueError(
            f"clip {clip.name}: its root is turned by {out:.2f} rad out of the plane on average, "
            f"more than {LARGEST_TURN}; the biped takes motions along x, such as run, walk and jump"
        )
    for row in WELDED_ROWS:
        angles[:, row] = angles[:, row].mean()
    positions = frames.root_positions * (1.0, 0.0, 1.0)
    return MotionClip(Frames(frames.times, positions, rotations_of(angles)), clip.loops, clip.name)


def welded_angles(clip: MotionClip) -> tuple[float, ...]:
    """Give the angles of the welded joints of a projected clip, rad."""
    return tuple(float(angle) for angle in angles_of(clip.frames.rotations[0, list(WELDED_ROWS)]))
