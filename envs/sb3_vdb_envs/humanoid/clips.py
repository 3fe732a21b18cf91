"""Motion clips in DeepMimic's format: reading, checking, interpolating."""

from __future__ import annotations

import difflib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.kinematics import CharacterState

Array = npt.NDArray[np.float64]

FOLDER = Path(__file__).parent / "clips"
PREFIX = "humanoid3d_"
SHIPPED = tuple(sorted(path.stem.removeprefix(PREFIX) for path in FOLDER.glob(f"{PREFIX}*.txt")))
FRAME_SIZE = 44  # duration, root position 3, root rotation 4, and 36 numbers of 12 joints
UNIT_TOLERANCE = 1e-2  # quaternions this near to unit length are normalised, others refused
# The published clips are interpolated component by component in places (lengths down to 0.58 in
# kick, 0.88 in backflip); DeepMimic normalises them, and so do we
PUBLISHED_TOLERANCE = 0.5


class Frames(NamedTuple):
    """Frames of a clip in z-up coordinates."""

    times: Array  # s, from 0, shape (frames,)
    root_positions: Array  # m, shape (frames, 3)
    rotations: Array  # of root and joints, shape (frames, 13, 4)


class MotionClip:
    """A motion: poses and velocities at any time.

    Poses between frames are interpolated (slerp, the root's position linearly). Velocities are the
    differences within a frame interval, never across the seam between the last frame and the first
    of the next cycle, where looping clips jump.

    :param frames: times and poses
    :param loops: whether the motion repeats
    :param name: what messages call it
    """

    def __init__(self, frames: Frames, loops: bool, name: str) -> None:
        self.frames, self.loops, self.name = frames, loops, name
        self.duration = float(frames.times[-1])
        self._intervals = np.diff(frames.times)
        self._steps = rotations.rotation_vector(
            rotations.multiply(rotations.conjugate(frames.rotations[:-1]), frames.rotations[1:])
        )
        self._angular_velocities = self._steps / self._intervals[:, None, None]
        self._root_velocities = np.diff(frames.root_positions, axis=0) / self._intervals[:, None]
        self.displacement = frames.root_positions[-1] - frames.root_positions[0]
        self.displacement[2] = 0.0  # cycles move over the ground, never up

    @classmethod
    def load(cls, clip: str | Path) -> MotionClip:
        """Read a shipped clip by its name (``run``, ``backflip``, ...) or a file by its path. A
        file with the content of a shipped clip is taken for it, name and all.

        :raises ValueError: unknown name, or a file that is not a sound clip
        """
        if str(clip) in SHIPPED:
            path = FOLDER / f"{PREFIX}{clip}.txt"
            return cls.parse(path.read_text(), str(clip), PUBLISHED_TOLERANCE)
        path = Path(clip)
        if path.is_file():
            content = path.read_bytes()
            for name in SHIPPED:  # a copy of a published clip is that clip
                if content == (FOLDER / f"{PREFIX}{name}.txt").read_bytes():
                    return cls.load(name)
            return cls.parse(content.decode("utf-8", errors="replace"), str(path))
        near = difflib.get_close_matches(str(clip), SHIPPED, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(
            f"`clip` {str(clip)!r} is neither a file nor a known clip; {hint}"
            f"known are {', '.join(SHIPPED)}"
        )

    @classmethod
    def parse(cls, text: str, name: str, unit_tolerance: float = UNIT_TOLERANCE) -> MotionClip:
        """Read the text of a clip.

        :param text: the file's content
        :param name: what messages call it
        :param unit_tolerance: largest departure of a quaternion's length from 1
        :raises ValueError: not JSON, wrong frame length, fewer than two frames, negative or missing
            durations, numbers that are not finite, quaternions that are not of unit length
        """
        values, loops = _parse_json(text, name)
        durations = values[:-1, 0]
        if (durations <= 0.0).any() or values[-1, 0] < 0.0:
            bad = int(np.argmax(np.append(durations <= 0.0, values[-1, 0] < 0.0)))
            raise ValueError(
                f"clip {name}: frame {bad} lasts {values[bad, 0]:g} s; durations must be positive"
            )
        times = np.concatenate([[0.0], np.cumsum(durations)])
        pose = _unit_rotations(values[:, 4:], name, unit_tolerance)
        return cls(Frames(times, _z_up(values[:, 1:4]), pose), loops, name)

    def phase(self, time: Array) -> Array:
        """Compute the progress through the clip in [0, 1), or in [0, 1] where it does not loop.

        :param time: s, shape (n,)
        """
        share = np.asarray(time) / self.duration
        return share - np.floor(share) if self.loops else np.clip(share, 0.0, 1.0)

    def cycle(self, time: Array) -> Array:
        """Count the whole repetitions before ``time``, shape (n,)."""
        if not self.loops:
            return np.zeros_like(time)
        return np.floor(np.asarray(time) / self.duration)

    def state(self, time: Array) -> CharacterState:
        """Compute pose and velocity; a cycle starts where the one before ended (horizontally).

        :param time: s, at least 0, shape (n,)
        """
        time = np.asarray(time, dtype=np.float64)
        within = self.phase(time) * self.duration
        index = np.searchsorted(self.frames.times, within, side="right") - 1
        index = np.clip(index, 0, len(self._intervals) - 1)
        share = np.clip((within - self.frames.times[index]) / self._intervals[index], 0.0, 1.0)
        pose = rotations.multiply(
            self.frames.rotations[index],
            rotations.from_rotation_vector(self._steps[index] * share[:, None, None]),
        )
        elapsed = (share * self._intervals[index])[:, None]
        position = self.frames.root_positions[index] + self._root_velocities[index] * elapsed
        position += self.cycle(time)[:, None] * self.displacement
        return CharacterState(
            position, pose, self._root_velocities[index], self._angular_velocities[index]
        )

    @cached_property
    def mean_targets(self) -> Array:
        """Mean pose as joint targets (rotation vectors and hinge angles), shape (28,)."""
        vectors = rotations.rotation_vector(self.frames.rotations[:, 1:])
        return joint_targets(vectors).mean(axis=0)


def joint_targets(vectors: Array) -> Array:
    """Compute the targets of the actuated joints from their rotation vectors.

    :param vectors: shape (n, 12, 3), rad
    :return: three numbers per ball joint and one per hinge, shape (n, 28)
    """
    targets = np.empty((*vectors.shape[:-2], character.N_TARGETS))
    balls = vectors[..., character.BALLS, :]
    targets[..., character.BALL_COLUMNS] = balls.reshape(*balls.shape[:-2], -1)
    targets[..., character.HINGE_COLUMNS] = vectors[..., character.HINGES, :] @ character.HINGE_AXIS
    return targets


def _parse_json(text: str, name: str) -> tuple[Array, bool]:
    """Read the frames as an array of shape (frames, 44), and whether the clip loops."""
    try:
        content: dict[str, Any] = json.loads(text)
        rows = content["Frames"]
        loop = content.get("Loop", "none")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"clip {name} is not a motion of DeepMimic's format (JSON with `Loop` and `Frames`): "
            f"{type(error).__name__} {error}"
        ) from error
    if loop not in ("wrap", "none"):
        raise ValueError(f'clip {name}: `Loop` must be "wrap" or "none", got {loop!r}')
    if not isinstance(rows, list) or len(rows) < 2:
        count = len(rows) if isinstance(rows, list) else 0
        raise ValueError(f"clip {name} has {count} frame(s); a motion needs at least two")
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != FRAME_SIZE:
            size = len(row) if isinstance(row, list) else type(row).__name__
            raise ValueError(
                f"clip {name}: frame {i} has {size} numbers; the humanoid needs {FRAME_SIZE} "
                "(duration, root position 3, root rotation 4, joints 36)"
            )
    try:
        values = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"clip {name}: frames must be lists of numbers: {error}") from error
    if not np.isfinite(values).all():
        frame, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"clip {name}: frame {frame}, number {column} is {values[frame, column]}")
    return values, loop == "wrap"


def _unit_rotations(columns: Array, name: str, tolerance: float) -> Array:
    """Read the rotations of root and joints from the columns after the root's position.

    :param columns: shape (frames, 40)
    :return: unit quaternions in z-up coordinates, shape (frames, 13, 4)
    """
    result = np.empty((len(columns), character.N_MOVING, 4))
    start = 0
    for i, joint in enumerate(character.MOVING):
        if character.JOINTS[joint].kind == "hinge":
            angle = columns[:, start]
            result[:, i] = rotations.from_rotation_vector(angle[:, None] * character.HINGE_AXIS)
            start += 1
            continue
        quaternion = columns[:, start : start + 4]
        length = np.linalg.norm(quaternion, axis=1)
        worst = int(np.argmax(np.abs(length - 1.0)))
        if abs(length[worst] - 1.0) > tolerance:
            raise ValueError(
                f"clip {name}: frame {worst}, rotation of {character.NAMES[joint]} has length "
                f"{length[worst]:.4g}; quaternions (w, x, y, z) must have length 1 "
                f"within {tolerance}"
            )
        unit = quaternion / length[:, None]
        result[:, i, 0], result[:, i, 1:] = unit[:, 0], _z_up(unit[:, 1:])
        start += 4
    return result


def _z_up(vectors: Array) -> Array:
    """Turn vectors of y-up coordinates (x forward, z to the right) to z-up ones, shape (..., 3)."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)
