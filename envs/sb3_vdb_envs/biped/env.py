"""The planar biped as a single Gymnasium environment, with MuJoCo or Bullet underneath."""

from __future__ import annotations

from collections.abc import Sequence

from gymnasium.utils import EzPickle

from sb3_vdb_envs.biped.frames import FRAME_SIZE
from sb3_vdb_envs.biped.settings import biped_batch, biped_settings
from sb3_vdb_envs.humanoid.env import CharacterEnv
from sb3_vdb_envs.humanoid.picture import IMAGE_HEIGHT


class BipedEnv(CharacterEnv, EzPickle):
    """A planar biped that a camera sees from the side, to imitate a video; the video task of the
    VDB paper (section 5.1, "Video Imitation").

    ## Description
    12 degrees of freedom: 3 of the root (forward, up, pitch) and 9 hinges (waist, hips, knees,
    ankles, shoulders). Bodies, masses, gains and torque limits are the humanoid's; neck and elbows
    are welded at the clip's mean angles. The clip is the humanoid's, projected to the sagittal
    plane: of each rotation the twist about the axis that points to the side. Policies act at 30 Hz
    through PD controllers.

    ## Action Space
    ``Box(-1, 1, (9,), float32)``: PD targets of waist, right hip, knee, ankle and shoulder, and
    the left ones, in units of pi rad about the mean pose of the clip. Values beyond the bounds act
    as the bound.

    ## Observation Space
    A Dict, of which policies are meant to read ``state`` and discriminators ``frame`` and
    ``phase``, which a video gives:

    ``state``, shape (107,): phase (scaled to [-1, 1]); root height in m; for each of 15 bodies
    position relative to the root (m, forward and up) and cosine and sine of its pitch; for each
    body velocity (m/s) and angular velocity (rad/s).

    ``frame``, shape (frame_size, frame_size, 3 * frame_stack), uint8: seen from the right by an
    orthographic camera that follows the root forward, 2 m high and wide; right limbs are light and
    left ones dark, and the ground has tiles of 0.5 m, counted from where the clip's cycle began.

    ``phase``, shape (1,): as in ``state``; it tells a frame's place in a video.

    ## Rewards
    DeepMimic's, as for the humanoid, in [0, 1]; ``info["reward/<term>"]`` has the terms. 0 in the
    step of a fall. It reads the clip's pose, which nobody who imitates a video has.

    ## Starting State
    The clip's first pose with its velocities, lifted out of the ground. ``random_start=True`` draws
    a moment of the clip (reference state initialisation), which uses states that a video does not
    give.

    ## Episode End
    Terminated when root, chest or neck touch the ground (within 1 mm; the paper's rule), or when
    the simulation diverges. Truncated after 600 steps (20 s, ``max_episode_steps`` of the id), and
    at the end of a clip that does not loop.

    ## Information
    ``joint_error`` (9 hinges), ``joint_error_with_root`` and ``joint_error_weighted`` in rad,
    ``phase`` in [0, 1), ``root_speed`` in m/s, ``fallen``, ``diverged``; ``steps_left`` to the end
    of a clip that does not loop.

    ## Arguments

    :param clip: a known clip or the path of a file, as for the humanoid, along x
    :param timestep: of the simulation in s; None for 1/240 with MuJoCo and 1/1200 with Bullet
    :param fall: ``"torso"``, ``"deepmimic"`` (everything but the feet), ``"none"``, or names of
        bodies
    :param random_start: start anywhere in the clip
    :param sync_root: at each new cycle, move the clip's root over the biped's
    :param frame_size: height and width of frames in pixels
    :param frame_stack: frames that an observation holds, the latest last
    :param simulator: ``"mujoco"`` or ``"bullet"`` (the paper's)
    :param render_mode: ``"rgb_array"`` or None; the clip's pose is rendered beside the biped
    :param render_height: height of rendered pictures in pixels
    :raises ValueError: an argument is not known, or the clip is not sound or leaves the plane

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        clip: str = "run",
        timestep: float | None = None,
        fall: str | Sequence[str] = "torso",
        random_start: bool = False,
        sync_root: bool = True,
        frame_size: int = FRAME_SIZE,
        frame_stack: int = 1,
        simulator: str = "mujoco",
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
    ) -> None:
        EzPickle.__init__(
            self, clip, timestep, fall, random_start, sync_root, frame_size, frame_stack, simulator,
            render_mode, render_height,
        )  # fmt: skip
        settings = biped_settings(clip, fall, random_start, sync_root)
        batch = biped_batch(settings, 1, simulator, timestep, frame_size, frame_stack)
        CharacterEnv.__init__(self, batch, simulator, render_mode, render_height)
