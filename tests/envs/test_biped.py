"""The planar biped: its plane, its model in both simulators, its frames."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb import Demonstrations, make_vec_env
from sb3_vdb_envs.biped import BipedVectorEnv
from sb3_vdb_envs.biped.character import (
    HINGE_ROWS,
    HINGES,
    N_HINGES,
    TURNING,
    WELDED_ROWS,
    angles_of,
    nearest_targets,
    rotations_of,
)
from sb3_vdb_envs.biped.frames import (
    BELOW,
    LEFT,
    MIDDLE,
    PARTS,
    RIGHT,
    SKY,
    TILE,
    TILES,
    VIEW,
    FrameArtist,
    _coverage,
)
from sb3_vdb_envs.biped.mujoco_simulator import BipedSimulator
from sb3_vdb_envs.biped.projection import project, welded_angles
from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.clips import MotionClip
from sb3_vdb_envs.humanoid.kinematics import forward_kinematics
from sb3_vdb_envs.humanoid.settings import lift
from sb3_vdb_envs.raster import Canvas

RUN = "sb3_vdb/BipedRunVideo-v0"
CLIPS = ("run", "walk", "jump")


@pytest.fixture(scope="module")
def clip():
    return project(MotionClip.load("run"))


def poses(clip, n=8):
    state = clip.state(np.linspace(0.0, clip.duration, n, endpoint=False))
    lift(state)
    return state


# ------------------------------------------------------------------ the plane


def test_twelve_degrees_of_freedom_of_which_nine_are_driven():
    assert 3 + N_HINGES == 12
    assert [character.NAMES[i] for i in HINGES] == [
        "chest",
        "right_hip",
        "right_knee",
        "right_ankle",
        "right_shoulder",
        "left_hip",
        "left_knee",
        "left_ankle",
        "left_shoulder",
    ]
    assert sorted([*TURNING, *WELDED_ROWS]) == list(range(13))


def test_angles_are_the_twist_about_the_hinges_axis():
    angles = np.array([-3.0, -1.0, 0.0, 0.4, np.pi])
    np.testing.assert_allclose(angles_of(rotations_of(angles)), angles, atol=1e-12)
    # a swing about any axis in the frontal plane leaves the twist alone
    swing = rotations.from_rotation_vector(np.array([0.5, 0.0, -0.3]))
    swung = rotations.multiply(rotations_of(angles[1:4]), np.broadcast_to(swing, (3, 4)))
    np.testing.assert_allclose(angles_of(swung), angles[1:4], atol=1e-12)


@pytest.mark.parametrize("name", CLIPS)
def test_a_projected_clip_lies_in_the_plane(name):
    whole, flat = MotionClip.load(name), project(MotionClip.load(name))
    state, original = poses(flat), whole.state(np.linspace(0, whole.duration, 8, endpoint=False))
    assert not state.root_position[:, 1].any()
    assert not state.root_velocity[:, 1].any()
    assert np.abs(state.rotations[..., (1, 3)]).max() == 0.0
    assert np.abs(state.angular_velocities[..., (0, 2)]).max() < 1e-12
    np.testing.assert_array_equal(state.root_position[:, 0], original.root_position[:, 0])
    # knees are hinges of the humanoid already, and stay as they are
    knees = [
        character.MOVING.index(character.NAMES.index(f"{side}_knee")) for side in ("right", "left")
    ]
    np.testing.assert_allclose(
        rotations.geodesic(state.rotations[:, knees], original.rotations[:, knees]), 0.0, atol=1e-7
    )
    assert np.ptp(angles_of(state.rotations[:, list(WELDED_ROWS)]), axis=0).max() < 1e-12


def test_the_residual_out_of_the_plane_is_what_the_facts_say():
    """Legs of the run project well, arms lose their spread (measured on the published clip)."""
    clip = MotionClip.load("run")
    flat = rotations_of(angles_of(clip.frames.rotations))
    residual = rotations.geodesic(clip.frames.rotations, flat).mean(axis=0)
    hip = character.MOVING.index(character.NAMES.index("right_hip"))
    shoulder = character.MOVING.index(character.NAMES.index("right_shoulder"))
    assert residual[hip] == pytest.approx(0.15, abs=0.01)
    assert residual[shoulder] == pytest.approx(0.71, abs=0.01)


def test_a_motion_that_turns_out_of_the_plane_is_refused():
    with pytest.raises(ValueError, match=r"clip spin: .* 1\.20 rad out of the plane"):
        gym.make(RUN, clip="spin")


def test_targets_are_reached_the_shorter_way_round_but_for_knees():
    present = np.full((1, N_HINGES), 3.0)
    near = nearest_targets(np.full((1, N_HINGES), -3.0), present)[0]
    is_knee = np.array(["knee" in character.NAMES[i] for i in HINGES])
    np.testing.assert_allclose(near[~is_knee], 2 * np.pi - 3.0)
    np.testing.assert_array_equal(near[is_knee], -3.0)


# ------------------------------------------------------------------ simulators


def test_mujoco_has_the_humanoids_bodies_where_kinematics_put_them(clip):
    """Positions and velocities of all 15 bodies; 1e-9 is far above rounding and far below a mm."""
    mujoco = pytest.importorskip("mujoco")
    state, simulator = poses(clip), BipedSimulator(8, welded_angles(clip))
    simulator.put(np.arange(8), state)
    for mine, theirs in zip(simulator.get(), state, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    bodies, model = forward_kinematics(state), simulator._model
    data = mujoco.MjData(model)
    assert model.nv == 12
    assert model.body_mass.sum() == pytest.approx(45.0)
    velocity = np.zeros(6)
    for row in range(8):
        physics = mujoco.mjtState.mjSTATE_FULLPHYSICS.value
        mujoco.mj_setState(model, data, simulator.get_state()[row], physics)
        mujoco.mj_forward(model, data)
        for k, name in enumerate(character.NAMES):
            body = model.body(name).id
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
            np.testing.assert_allclose(data.xipos[body], bodies.centres[row, k], atol=1e-9)
            np.testing.assert_allclose(velocity[:3], bodies.angular_velocities[row, k], atol=1e-9)
            np.testing.assert_allclose(velocity[3:], bodies.velocities[row, k], atol=1e-9)
    simulator.close()


def test_gains_and_torque_limits_are_the_humanoids(clip):
    simulator = BipedSimulator(1, welded_angles(clip))
    model, joints = simulator._model, [character.JOINTS[i] for i in HINGES]
    np.testing.assert_array_equal(model.actuator_gainprm[:, 0], [j.stiffness for j in joints])
    np.testing.assert_array_equal(model.actuator_biasprm[:, 2], [-j.damping for j in joints])
    np.testing.assert_array_equal(model.actuator_forcerange[:, 1], [j.torque_limit for j in joints])
    simulator.close()


def test_bullet_and_mujoco_agree_on_the_first_steps(clip):
    """0.1 s of the run under the clip's own targets; contacts tell them apart later."""
    pytest.importorskip("pybullet")
    from sb3_vdb_envs.biped.bullet_simulator import BulletBipedSimulator

    state = poses(clip, 1)
    simulators = [
        BipedSimulator(1, welded_angles(clip), 1 / 1200),
        BulletBipedSimulator(welded_angles(clip), 1 / 1200),
    ]
    for simulator in simulators:
        simulator.put(np.zeros(1, dtype=np.intp), state)
        np.testing.assert_allclose(simulator.get().root_velocity, state.root_velocity, atol=1e-12)
        for step in range(3):
            ahead = clip.state(np.array([(step + 3) / 30])).rotations[:, list(HINGE_ROWS)]
            simulator.step(angles_of(ahead))
    mine, theirs = (simulator.get() for simulator in simulators)
    np.testing.assert_allclose(mine.root_position, theirs.root_position, atol=0.03)
    angles = [angles_of(each.rotations[0, TURNING]) for each in (mine, theirs)]
    assert np.abs(np.subtract(*angles)).mean() < 0.1
    for simulator in simulators:
        simulator.close()


def test_bullet_reaches_a_target_from_more_than_a_turn_away(clip):
    """A shoulder that has turned by 3.4 rad goes on to 3.5, and not back by a whole turn."""
    pytest.importorskip("pybullet")
    from sb3_vdb_envs.biped.bullet_simulator import BulletBipedSimulator

    simulator = BulletBipedSimulator(welded_angles(clip), 1 / 1200)
    state = poses(clip, 1)
    state.root_position[:, 2] += 5.0  # in the air
    simulator.put(np.zeros(1, dtype=np.intp), state)
    shoulder = [character.NAMES[i] for i in HINGES].index("right_shoulder")
    link = simulator._links[shoulder]
    simulator._bullet.resetJointState(simulator._body, link, 3.4, 0.0)
    targets = angles_of(state.rotations[:, list(HINGE_ROWS)])
    targets[0, shoulder] = 3.5 - 2 * np.pi  # the same direction
    simulator.step(targets)
    assert 3.4 < simulator._bullet.getJointState(simulator._body, link)[0] < 3.6
    simulator.close()


# ------------------------------------------------------------------ frames


def slowly_drawn(state, bodies, origin, size=64):
    """One biped drawn part by part over the whole picture, by the maze's capsules."""
    x, half = state.root_position[0, 0], VIEW / 2
    canvas = Canvas((x - half, x + half, -BELOW, VIEW - BELOW), size, SKY)
    row = round((VIEW - BELOW) * size / VIEW)
    columns = canvas.axes[0] - origin
    inside = 0.5 - np.abs(columns / TILE % 2 - 1.5)
    dark = np.clip(inside * TILE / canvas.pixel + 0.5, 0, 1)[:, None]
    canvas.image[row:] = TILES[0] + dark * np.subtract(TILES[1], TILES[0])
    for layer, colour in enumerate((LEFT, MIDDLE, RIGHT)):
        shares = Canvas((x - half, x + half, -BELOW, VIEW - BELOW), size, (0, 0, 0))
        for part in PARTS:
            if part.layer == layer:
                axis = rotations.rotate(bodies.rotations[0, part.first], np.eye(3)[part.axis])
                start = bodies.centres[0, part.first] - part.half * axis
                end = bodies.centres[0, part.last] + part.half * axis
                alone = Canvas((x - half, x + half, -BELOW, VIEW - BELOW), size, (0, 0, 0))
                alone.capsule(tuple(start[::2]), tuple(end[::2]), part.radius, (1, 1, 1))
                shares.image = np.maximum(shares.image, alone.image)
        canvas.image += shares.image * (np.array(colour) - canvas.image)
    return canvas.to_uint8()


@pytest.mark.parametrize("name", [*CLIPS, "backflip"])
def test_frames_are_those_that_slow_code_draws(name):
    """Within 2 of 255: single precision, and the slow code rounds once, at its end."""
    state = poses(project(MotionClip.load(name)), 6)
    bodies, origin = forward_kinematics(state), np.linspace(0.0, 0.9, 6)
    frames = FrameArtist().draw(state, bodies, origin)
    assert frames.shape == (6, 64, 64, 3)
    assert frames.dtype == np.uint8
    for i in range(6):
        alone = state.take(np.array([i]))
        expected = slowly_drawn(alone, forward_kinematics(alone), origin[i])
        assert np.abs(frames[i].astype(int) - expected).max() <= 2


def test_a_frame_is_the_same_alone_and_in_any_batch(clip):
    state = poses(clip, 70)  # more than one chunk
    origin = np.zeros(70)
    many = FrameArtist().draw(state, forward_kinematics(state), origin)
    for i in (0, 63, 64, 69):
        alone = state.take(np.array([i]))
        one = FrameArtist().draw(alone, forward_kinematics(alone), origin[:1])
        np.testing.assert_array_equal(one[0], many[i])


def test_the_camera_follows_the_root_and_tiles_show_progress(clip):
    state = poses(clip, 1)
    bodies = forward_kinematics(state)
    first = FrameArtist().draw(state, bodies, np.zeros(1))[0]
    state.root_position[:, 0] += TILE
    moved = FrameArtist().draw(state, forward_kinematics(state), np.zeros(1))[0]
    ground = round((VIEW - BELOW) * 64 / VIEW)
    # 2 of 255 for rounding at the edges of limbs
    assert np.abs(first[:ground].astype(int) - moved[:ground]).max() <= 2
    sole = (first[ground:] == moved[ground:]).all()
    assert not sole
    state.root_position[:, 0] += TILE  # two tiles on, all is as it was
    again = FrameArtist().draw(state, forward_kinematics(state), np.zeros(1))[0]
    assert np.abs(first.astype(int) - again).max() <= 2


def test_left_and_right_are_told_apart_by_shade(clip):
    light = np.array([0.299, 0.587, 0.114])
    assert np.dot(RIGHT, light) - np.dot(LEFT, light) > 70
    state = poses(clip, 1)
    frame = FrameArtist().draw(state, forward_kinematics(state), np.zeros(1))[0].reshape(-1, 3)
    for colour in (LEFT, RIGHT, MIDDLE):
        assert (frame == colour).all(axis=1).sum() > 5


@pytest.mark.parametrize("length", [0.0, 3.7, 9.2])
def test_a_capsule_covers_its_area(length):
    """pi r^2 + length * 2 r, within 1 %: on a curved edge, anti-aliasing adds a little more
    than it takes.
    """
    radius, turn = 3.3, np.array([np.cos(0.4), np.sin(0.4)])
    middle = np.array([31.2, 30.7])
    ends = [(middle + sign * 0.5 * length * turn)[None].astype(np.float32) for sign in (-1, 1)]
    _, shares = _coverage(*ends, np.float32(radius), window=20, size=64)
    area = np.pi * radius**2 + 2 * radius * length
    assert shares.sum() == pytest.approx(area, rel=1e-2)


def test_too_small_frames_and_empty_stacks_are_refused():
    with pytest.raises(ValueError, match="`frame_size` must be at least 16 pixels, got 8"):
        gym.make(RUN, frame_size=8)
    with pytest.raises(ValueError, match="`frame_stack` must be at least 1, got 0"):
        gym.make(RUN, frame_stack=0)
    with pytest.raises(ValueError, match="`simulator` must be one of mujoco, bullet, got 'x'"):
        gym.make(RUN, simulator="x")


# ------------------------------------------------------------------ the environment


def test_episodes_begin_with_the_clips_first_pose_unless_asked_otherwise():
    for random_start, phases in ((False, {0.0}), (True, None)):
        env = gym.make(RUN, random_start=random_start)
        seen = {env.reset(seed=seed)[1]["phase"] for seed in range(4)}
        assert seen == phases if phases else len(seen) == 4
        env.close()


def test_a_stack_holds_earlier_frames_the_latest_last():
    env, single = gym.make(RUN, frame_stack=3), gym.make(RUN)
    frames = [single.reset(seed=0)[0]["frame"]]
    stack = env.reset(seed=0)[0]["frame"]
    np.testing.assert_array_equal(stack, np.concatenate(frames * 3, axis=-1))
    for _ in range(4):
        action = np.zeros(N_HINGES, dtype=np.float32)
        stack = env.step(action)[0]["frame"]
        frames.append(single.step(action)[0]["frame"])
        expected = np.concatenate([frames[max(0, len(frames) - k)] for k in (3, 2, 1)], axis=-1)
        np.testing.assert_array_equal(stack, expected)


def test_a_batch_draws_what_single_bipeds_draw_over_falls_and_restarts():
    venv = make_vec_env(RUN, 3, seed=5)
    singles = [gym.make(RUN) for _ in range(3)]
    observations = venv.reset()
    for i, env in enumerate(singles):
        one = env.reset(seed=5 + i)[0]
        for name in one:
            np.testing.assert_array_equal(observations[name][i], one[name])
    rng, falls = np.random.default_rng(0), 0
    for _ in range(40):
        actions = rng.uniform(-0.3, 0.3, (3, N_HINGES)).astype(np.float32)
        observations, _, dones, infos = venv.step(actions)
        for i, env in enumerate(singles):
            one, _, terminated, truncated, _ = env.step(actions[i])
            assert dones[i] == (terminated or truncated)
            if dones[i]:
                falls += 1
                last = infos[i]["terminal_observation"]
                np.testing.assert_array_equal(last["frame"], one["frame"])
                one = env.reset()[0]
            for name in one:
                np.testing.assert_array_equal(observations[name][i], one[name])
    assert falls >= 3


def test_a_restored_state_goes_on_as_before():
    env = BipedVectorEnv(2, frame_stack=2)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-0.2, 0.2, (12, 2, N_HINGES)).astype(np.float32)
    for action in actions[:4]:
        env.step(action)
    state = env.get_state()
    first = [env.step(action)[0] for action in actions[4:]]
    env.set_state(state)
    again = [env.step(action)[0] for action in actions[4:]]
    env.close()
    np.testing.assert_equal(first, again)


# ------------------------------------------------------------------ what a video gives


def test_demonstrations_hold_frames_and_their_time_and_nothing_else():
    demonstrations = Demonstrations.from_mocap(RUN, n_starts=1)
    (trajectory,) = demonstrations
    assert set(trajectory.observations) == {"frame", "phase"}
    assert trajectory.actions is None
    assert trajectory.rewards is None
    frames, phases = (trajectory.observations[name] for name in ("frame", "phase"))
    assert frames.shape == (25, 64, 64, 3)  # 0.8 s at 30 Hz
    assert frames.dtype == np.uint8
    # a place in time and no more: it follows from the frame's number (the clip lasts 0.79997 s)
    np.testing.assert_allclose(phases[:24, 0], -1.0 + 2.0 * np.arange(24) / 24, atol=1e-4)
    kept = vars(demonstrations.view.observation)
    assert set(kept) == {"frames", "key", "clock", "span", "loops", "grids"}


def test_the_first_frame_of_an_episode_is_the_videos_first():
    """The start is the clip's first pose, and both are drawn by the same code."""
    env = gym.make(RUN)
    video = Demonstrations.from_mocap(RUN, n_starts=1)[0].observations["frame"]
    np.testing.assert_array_equal(env.reset(seed=0)[0]["frame"], video[0])
