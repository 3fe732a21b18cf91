"""Motion clips in DeepMimic's format: reading, checking, interpolating."""

from __future__ import annotations

import difflib
import json
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.clip_tables import SUFFIXES, read_table
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
SEAM = 0.47  # rad; mean joint angle between last and first pose, below which a table repeats
ROUNDING = 6e-3  # a frame this near to a published one is that one, saved with two digits or more


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
        # an interval of no time lies between clips that were joined; nothing moves across it
        rate = np.divide(
            1.0, self._intervals, where=self._intervals > 0.0, out=np.zeros(len(frames.times) - 1)
        )
        self._angular_velocities = self._steps * rate[:, None, None]
        self._root_velocities = np.diff(frames.root_positions, axis=0) * rate[:, None]
        self.displacement = frames.root_positions[-1] - frames.root_positions[0]
        self.displacement[2] = 0.0  # cycles move over the ground, never up

    @classmethod
    def load(cls, clip: str | Path) -> MotionClip:
        """Read a shipped clip by its name (``run``, ``backflip``, ...) or a file by its path: of
        DeepMimic's format, or a table (csv or npz, :mod:`~sb3_vdb_envs.humanoid.clip_tables`),
        which repeats where its last pose is near its first one. A file of frames of one shipped
        clip (a copy, also a rounded or trimmed one) is taken for it, name and all.

        :raises ValueError: unknown name, or a file that is not a sound clip
        """
        if str(clip) in SHIPPED:
            path = FOLDER / f"{PREFIX}{clip}.txt"
            return cls.parse(path.read_text(encoding="utf-8"), str(clip), PUBLISHED_TOLERANCE)
        path = Path(clip).expanduser()
        if path.is_file() and path.suffix in SUFFIXES:
            return cls._of_table(path)
        if path.is_file():
            text = path.read_bytes().decode("utf-8-sig", errors="replace")
            return cls._of_file(text, str(path))
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
        return cls._of_values(*_parse_json(text, name), name, np.float64(unit_tolerance))

    @classmethod
    def _of_file(cls, text: str, path: str) -> MotionClip:
        """Read somebody's clip, whose frames may be published ones."""
        values, loops = _parse_json(text, path)
        published = [_is_near_some(values, rows) for rows in _published_rows().values()]
        names = [name for name, near in zip(SHIPPED, published, strict=True) if near.all()]
        tolerance = np.where(np.any(published, axis=0), PUBLISHED_TOLERANCE, UNIT_TOLERANCE)
        clip = cls._of_values(values, loops, path, tolerance)
        clip.name = names[0] if names else path
        return clip

    @classmethod
    def _of_table(cls, path: Path) -> MotionClip:
        """Make a clip of a table of one's own."""
        table = read_table(path)
        pose = table.rotations
        lengths = np.linalg.norm(pose, axis=-1, keepdims=True)
        wrong = np.argwhere(np.abs(lengths[..., 0] - 1.0) > UNIT_TOLERANCE)
        if len(wrong):
            frame, joint = (int(i) for i in wrong[0])
            raise ValueError(
                f"clip {path}: frame {frame}, rotation of "
                f"{character.NAMES[character.MOVING[joint]]} has length "
                f"{lengths[frame, joint, 0]:.4g}; quaternions (w, x, y, z) must have length 1 "
                f"within {UNIT_TOLERANCE}"
            )
        unit = pose / lengths
        apart = rotations.geodesic(unit[0, 1:], unit[-1, 1:]).mean()
        loops = bool(apart < SEAM) if table.loops is None else table.loops
        return cls(Frames(table.times, table.root_positions, unit), loops, str(path))

    @classmethod
    def _of_values(
        cls, values: Array, loops: bool, name: str, unit_tolerance: Array | np.float64
    ) -> MotionClip:
        """Make a clip of its frames; joined ones have an inner frame that lasts no time.

        :param values: shape (frames, 44)
        :param unit_tolerance: one for all frames, or one each
        """
        if (values[:, 0] < 0.0).any():
            bad = int(np.argmax(values[:, 0] < 0.0))
            raise ValueError(
                f"clip {name}: frame {bad} lasts {values[bad, 0]:g} s; durations must not be "
                "negative"
            )
        times = np.concatenate([[0.0], np.cumsum(values[:-1, 0])])
        if not times[-1] > 0.0:
            raise ValueError(f"clip {name}: its frames last 0 s; durations must be positive")
        pose = _unit_rotations(values[:, 4:], name, np.broadcast_to(unit_tolerance, len(values)))
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
        lasts = self._intervals[index]
        elapsed_share = (within - self.frames.times[index]) / np.where(lasts > 0.0, lasts, 1.0)
        share = np.where(lasts > 0.0, np.clip(elapsed_share, 0.0, 1.0), 1.0)
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"clip {name}: frames must be lists of numbers: {error}") from error
    if not np.isfinite(values).all():
        frame, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"clip {name}: frame {frame}, number {column} is {values[frame, column]}")
    return values, loop == "wrap"


@cache
def _published_rows() -> dict[str, Array]:
    """Read the frames of the shipped clips by name, each of shape (frames, 44)."""
    texts = {name: FOLDER / f"{PREFIX}{name}.txt" for name in SHIPPED}
    return {name: _parse_json(path.read_text("utf-8"), name)[0] for name, path in texts.items()}


def _is_near_some(values: Array, rows: Array) -> npt.NDArray[np.bool_]:
    """Say which frames are, but for rounding and how long they last, among others.

    :param values: shape (frames, 44)
    :param rows: shape (others, 44)
    :return: shape (frames,)
    """
    near = [(np.abs(rows[:, 1:] - each[1:]).max(axis=1) <= ROUNDING).any() for each in values]
    return np.array(near)


def _unit_rotations(columns: Array, name: str, tolerance: Array) -> Array:
    """Read the rotations of root and joints from the columns after the root's position.

    :param columns: shape (frames, 40)
    :param tolerance: of a quaternion's length, shape (frames,)
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
        worst = int(np.argmax(np.abs(length - 1.0) - tolerance))
        if abs(length[worst] - 1.0) > tolerance[worst]:
            raise ValueError(
                f"clip {name}: frame {worst}, rotation of {character.NAMES[joint]} has length "
                f"{length[worst]:.4g}; quaternions (w, x, y, z) must have length 1 "
                f"within {tolerance[worst]}"
            )
        unit = quaternion / length[:, None]
        result[:, i, 0], result[:, i, 1:] = unit[:, 0], _z_up(unit[:, 1:])
        start += 4
    return result


def _z_up(vectors: Array) -> Array:
    """Turn vectors of y-up coordinates (x forward, z to the right) to z-up ones, shape (..., 3)."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)
