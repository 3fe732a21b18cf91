"""The mocap humanoid as a single Gymnasium environment, with MuJoCo or Bullet underneath."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from sb3_vdb_envs.batched import check_render_mode
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.batch import HumanoidBatch
from sb3_vdb_envs.humanoid.clip_access import ClipAccess
from sb3_vdb_envs.humanoid.picture import IMAGE_HEIGHT, Picture, image_size
from sb3_vdb_envs.humanoid.settings import make_settings
from sb3_vdb_envs.humanoid.simulator import NOMINAL, Plant, Simulator, make_plant
from sb3_vdb_envs.single import BatchOfOneEnv

SIMULATORS = ("mujoco", "bullet")


class CharacterEnv(ClipAccess, BatchOfOneEnv):
    """One character that imitates a clip, in any simulator; it renders character and clip.

    :param batch: the batch of one
    :param simulator: name of its simulator
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of pictures in pixels
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": character.CONTROL_RATE,
    }

    def __init__(
        self, batch: HumanoidBatch, simulator: str, render_mode: str | None, render_height: int
    ) -> None:
        check_render_mode(render_mode)
        if render_mode is not None:
            image_size(render_height)
        self.batch, self._simulator_name = batch, simulator
        self.clip, self.timestep = batch.settings.clip, batch.simulator.timestep
        BatchOfOneEnv.__init__(self, batch, render_mode)
        self.render_height = render_height
        self._picture: Picture | None = None

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Render character and clip side by side, shape (render_height, width, 3); None without a
        render mode.
        """
        if self.render_mode is None:
            return None
        if self._picture is None:
            self._picture = _make_picture(self._simulator_name, self.render_height)
        return self._picture.render(*self.batch.characters)

    def close(self) -> None:
        """Release simulator and picture; closing twice is legal."""
        self.batch.simulator.close()
        if self._picture is not None:
            self._picture.close()
            self._picture = None


class HumanoidEnv(CharacterEnv, EzPickle):
    """A humanoid that imitates a motion clip; the motion task of the VDB paper (section 5.1 and
    appendix C) and of DeepMimic (Peng et al. 2018).

    ## Description
    34 degrees of freedom: 6 of the root, 8 ball joints (chest, neck, hips, ankles, shoulders) and
    4 hinges (knees, elbows); 45 kg, 1.62 m. Policies act at 30 Hz through PD controllers.

    ## Action Space
    ``Box(-1, 1, (28,), float32)``: PD targets as rotation vectors (3 per ball joint) and hinge
    angles, in units of pi rad about the mean pose of the clip. ``action="axis_angle"`` is
    DeepMimic's form of 2018 with 36 numbers. Values beyond the bounds act as the bound.

    ## Observation Space
    ``Box`` of shape (197,), with bounds that are never met: phase (scaled to [-1, 1]); root height
    in m; for each of 15 bodies position relative to the root (m) and rotation (quaternion, w first
    and not negative); for each body velocity (m/s) and angular velocity (rad/s). In axes turned
    with the root's heading, but for the root's rotation and velocities, which are in world axes.
    ``rotation="6d"`` gives the turned x and z axes instead of quaternions (227 numbers).

    ## Rewards
    DeepMimic's: weighted exponentials of the errors of pose, velocity, hands and feet, root, and
    centre of mass, in [0, 1]; ``info["reward/<term>"]`` has the terms. 0 in the step of a fall.

    ## Starting State
    A uniformly random moment of the clip with its velocities (reference state initialisation),
    lifted out of the ground; the clip's start with ``random_start=False``.

    ## Episode End
    Terminated when a body of ``fall`` touches the ground (within 1 mm), or when the simulation
    diverges (faster than 100 m/s or rad/s; counted in ``diverged_episodes``). Truncated after 600
    steps (20 s, ``max_episode_steps`` of the id), and at the end of a clip that does not loop.

    ## Information
    ``joint_error``, ``joint_error_with_root`` and ``joint_error_weighted`` in rad (the paper's
    metric in three readings), ``phase`` in [0, 1), ``root_speed`` over the ground in m/s,
    ``fallen``, ``diverged``; ``steps_left`` to the end of a clip that does not loop.

    ## Arguments

    :param clip: a known clip (``run``, ``backflip``, ...) or the path of a file in DeepMimic's
        format
    :param timestep: of the simulation in s; None for 1/240 with MuJoCo and 1/1200 with Bullet
    :param fall: ``"deepmimic"`` (everything but the feet; for clips on the ground what they allow),
        ``"torso"`` (the VDB paper's rule: root, chest and neck), ``"none"``, or names of bodies
    :param rotation: ``"quaternion"`` or ``"6d"``
    :param action: ``"exp_map"`` or ``"axis_angle"``
    :param target: ``"absolute"``, or ``"reference"`` to add the action to the clip's pose two steps
        ahead. The policy then receives the demonstration with every step: good for making experts
        quickly, but not to be compared with the paper's figures.
    :param random_start: start anywhere in the clip
    :param sync_root: at each new cycle, move the clip's root over the character's
    :param drift: observe a Dict of ``state``, the numbers above, and ``drift``: how far the root is
        from the clip's over the ground (m, 2 numbers), and by how much its velocity differs (m/s,
        3 numbers), in axes turned with the root's heading. It is meant for discriminators; a policy
        that reads it receives the demonstration.
    :param mass_scale: of all bodies, to see what policies bear; MuJoCo
    :param friction_scale: of all contacts, likewise
    :param simulator: ``"mujoco"`` or ``"bullet"`` (the paper's)
    :param render_mode: ``"rgb_array"`` or None; the clip's pose is rendered beside the character
    :param render_height: height of pictures in pixels
    :raises ValueError: an argument is not known, or the clip is not sound

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        clip: str = "walk",
        timestep: float | None = None,
        fall: str | Sequence[str] = "deepmimic",
        rotation: str = "quaternion",
        action: str = "exp_map",
        target: str = "absolute",
        random_start: bool = True,
        sync_root: bool = True,
        drift: bool = False,
        mass_scale: float = 1.0,
        friction_scale: float = 1.0,
        simulator: str = "mujoco",
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
    ) -> None:
        EzPickle.__init__(
            self, clip, timestep, fall, rotation, action, target, random_start, sync_root, drift,
            mass_scale, friction_scale, simulator, render_mode, render_height,
        )  # fmt: skip
        settings = make_settings(
            clip, fall, rotation, action, target, random_start, sync_root, drift
        )
        plant = make_plant(mass_scale, friction_scale)
        batch = HumanoidBatch(settings, _make_simulator(simulator, timestep, plant), 1)
        CharacterEnv.__init__(self, batch, simulator, render_mode, render_height)


def _make_simulator(simulator: str, timestep: float | None, plant: Plant) -> Simulator:
    if simulator == "mujoco":
        from sb3_vdb_envs.humanoid.mujoco_simulator import MujocoSimulator

        return MujocoSimulator(1, 1 / 240 if timestep is None else timestep, plant=plant)
    if simulator == "bullet":
        if plant != NOMINAL:
            raise ValueError(
                "`mass_scale` and `friction_scale` are for MuJoCo; leave them out with Bullet"
            )
        from sb3_vdb_envs.humanoid.bullet_simulator import BulletSimulator

        return BulletSimulator(1 / 1200 if timestep is None else timestep)
    raise ValueError(f"`simulator` must be one of {', '.join(SIMULATORS)}, got {simulator!r}")


def _make_picture(simulator: str, height: int) -> Picture:
    from sb3_vdb_envs.humanoid.picture import BulletPicture, MujocoPicture

    return MujocoPicture(height) if simulator == "mujoco" else BulletPicture(height)
