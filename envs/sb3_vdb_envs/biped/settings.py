"""What a user chooses of the biped, checked, and the batch that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sb3_vdb_envs.biped.batch import BipedBatch
from sb3_vdb_envs.biped.projection import project, welded_angles
from sb3_vdb_envs.humanoid.settings import Settings, make_settings
from sb3_vdb_envs.humanoid.simulator import Simulator

SIMULATORS = ("mujoco", "bullet")


def biped_settings(
    clip: str, fall: str | Sequence[str], random_start: bool, sync_root: bool
) -> Settings:
    """Check what a user chooses, and project the clip to the plane.

    :raises ValueError: an argument is not known, or the clip leaves the plane
    """
    settings = make_settings(clip, fall, random_start=random_start, sync_root=sync_root)
    return settings._replace(clip=project(settings.clip))


def biped_batch(
    settings: Settings,
    n: int,
    simulator: str,
    timestep: float | None,
    frame_size: int,
    frame_stack: int,
    threads: int | None = None,
) -> BipedBatch:
    """Make bipeds in a simulator.

    :param settings: of :func:`biped_settings`
    :param n: number of bipeds; 1 in Bullet
    :param simulator: ``"mujoco"`` or ``"bullet"``
    :param timestep: s; None for 1/240 with MuJoCo and 1/1200 with Bullet
    :param frame_size: height and width of frames, pixels
    :param frame_stack: frames that an observation holds
    :param threads: worker threads of MuJoCo; None for one per core
    :raises ValueError: an argument is not known or out of its range
    """
    simulated = _simulator(simulator, n, welded_angles(settings.clip), timestep, threads)
    return BipedBatch(settings, simulated, n, frame_size, frame_stack)


def _simulator(
    simulator: str, n: int, welded: tuple[float, ...], timestep: float | None, threads: int | None
) -> Simulator:
    given: dict[str, Any] = {} if timestep is None else {"timestep": timestep}
    if simulator == "mujoco":
        from sb3_vdb_envs.biped.mujoco_simulator import BipedSimulator

        return BipedSimulator(n, welded, threads=threads, **given)
    if simulator == "bullet":
        from sb3_vdb_envs.biped.bullet_simulator import BulletBipedSimulator

        return BulletBipedSimulator(welded, **given)
    raise ValueError(f"`simulator` must be one of {', '.join(SIMULATORS)}, got {simulator!r}")
