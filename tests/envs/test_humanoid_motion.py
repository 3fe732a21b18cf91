"""The humanoid's geometry, clips, features, reward and metric: closed forms, no simulation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sb3_vdb_envs.humanoid import actions, character, rotations
from sb3_vdb_envs.humanoid.clips import FOLDER, SHIPPED, MotionClip, joint_targets
from sb3_vdb_envs.humanoid.features import feature_bounds, features
from sb3_vdb_envs.humanoid.kinematics import CharacterState, forward_kinematics, lowest_points
from sb3_vdb_envs.humanoid.rewards import imitation_terms, joint_rotation_errors
from sb3_vdb_envs.registration import MOTIONS

RNG = np.random.default_rng(0)


def random_rotations(*shape):
    q = np.random.default_rng(1).normal(size=(*shape, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def upright(n=1, **changes) -> CharacterState:
    """Characters in the zero pose, root at 1 m, at rest."""
    pose = np.zeros((n, character.N_MOVING, 4))
    pose[..., 0] = 1.0
    state = CharacterState(
        np.tile([0.0, 0.0, 1.0], (n, 1)),
        pose,
        np.zeros((n, 3)),
        np.zeros((n, character.N_MOVING, 3)),
    )
    return state._replace(**changes)


# --- rotations


def test_logarithm_and_exponential_are_inverse():
    q = random_rotations(50)
    q *= np.sign(q[:, :1])
    np.testing.assert_allclose(
        rotations.from_rotation_vector(rotations.rotation_vector(q)), q, atol=1e-12
    )
    tiny = np.array([[1e-12, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(
        rotations.rotation_vector(rotations.from_rotation_vector(tiny)), tiny, atol=1e-20
    )


def test_rotating_by_a_product_is_rotating_twice():
    first, second = random_rotations(2, 20)
    v = RNG.normal(size=(20, 3))
    np.testing.assert_allclose(
        rotations.rotate(rotations.multiply(first, second), v),
        rotations.rotate(first, rotations.rotate(second, v)),
        atol=1e-12,
    )


def test_a_quarter_turn_about_z_takes_x_to_y():
    quarter = rotations.about_vertical(np.array(math.pi / 2))
    np.testing.assert_allclose(
        rotations.rotate(quarter, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12
    )
    assert rotations.yaw(quarter) == pytest.approx(math.pi / 2)


def test_slerp_halves_the_angle_and_the_geodesic_ignores_the_sign():
    first, second = random_rotations(2, 30)
    middle = rotations.slerp(first, second, np.full(30, 0.5))
    whole = rotations.geodesic(first, second)
    np.testing.assert_allclose(rotations.geodesic(first, middle), whole / 2, atol=1e-9)
    np.testing.assert_allclose(rotations.geodesic(first, -second), whole, atol=1e-12)


def test_tangent_and_normal_are_the_turned_x_and_z_axes():
    q = random_rotations(10)
    six = rotations.tangent_and_normal(q)
    np.testing.assert_allclose(six[:, :3], rotations.rotate(q, np.tile([1.0, 0, 0], (10, 1))))
    np.testing.assert_allclose(six[:, 3:], rotations.rotate(q, np.tile([0, 0, 1.0], (10, 1))))


# --- character


def test_the_character_is_the_papers():
    """34 degrees of freedom, 13 movable links, 45 kg, 1.62 m (VDB paper, appendix C; DeepMimic)."""
    balls = sum(joint.kind == "ball" for joint in character.JOINTS)
    hinges = sum(joint.kind == "hinge" for joint in character.JOINTS)
    assert 6 + 3 * balls + hinges == 34
    assert (character.N_MOVING, character.N_TARGETS) == (13, 28)
    assert pytest.approx(45.0) == character.TOTAL_MASS
    bodies = forward_kinematics(upright())
    lowest = lowest_points(bodies).min()
    top = bodies.centres[0, 2, 2] + character.JOINTS[2].size[0]
    assert top - lowest == pytest.approx(1.62, abs=0.01)


def test_the_normalised_error_weights_are_deepmimics():
    weights = dict(
        zip([character.NAMES[i] for i in character.MOVING], character.ERROR_WEIGHTS, strict=True)
    )
    expected = {"root": 0.2083, "chest": 0.1042, "right_hip": 0.1042, "neck": 0.0625}
    expected |= {"left_knee": 0.0625, "right_shoulder": 0.0625, "left_ankle": 0.0417}
    for name, value in expected.items():
        assert weights[name] == pytest.approx(value, abs=1e-4)


# joint, rotation vector (x forward, y left, z up), body that moves, axis and sign of its motion
MOVES = [
    ("chest", (0, 1, 0), "neck", 0, 1),  # leaning forward
    ("chest", (1, 0, 0), "neck", 1, -1),  # to the right
    ("neck", (0, 1, 0), "neck", 0, 1),
    ("right_hip", (0, -1, 0), "right_ankle", 0, 1),  # leg to the front
    ("right_hip", (1, 0, 0), "right_ankle", 1, 1),  # crossing under the body
    ("left_hip", (1, 0, 0), "left_ankle", 1, 1),  # spread
    ("right_knee", (0, 1, 0), "right_ankle", 0, -1),  # DeepMimic's negative angle: heel back
    ("left_knee", (0, 1, 0), "left_ankle", 0, -1),
    ("right_ankle", (0, 1, 0), "right_ankle", 2, -1),  # toes down
    ("right_shoulder", (0, -1, 0), "right_wrist", 0, 1),  # arm to the front
    ("left_shoulder", (1, 0, 0), "left_wrist", 1, 1),  # arm spread
    ("right_elbow", (0, -1, 0), "right_wrist", 0, 1),  # positive angle: hand to the front
    ("left_elbow", (0, -1, 0), "left_wrist", 0, 1),
]


@pytest.mark.parametrize(("joint", "axis", "body", "direction", "sign"), MOVES)
def test_each_joint_moves_its_part_in_the_right_direction(joint, axis, body, direction, sign):
    state = upright()
    slot = [character.NAMES[i] for i in character.MOVING].index(joint)
    state.rotations[0, slot] = rotations.from_rotation_vector(0.4 * np.array(axis, float))
    index = character.NAMES.index(body)
    moved = forward_kinematics(state).centres - forward_kinematics(upright()).centres
    assert sign * moved[0, index, direction] > 0.01
    still = [i for i, name in enumerate(character.NAMES) if name in ("root",)]
    np.testing.assert_allclose(moved[0, still], 0, atol=1e-12)


def test_left_and_right_mirror_each_other():
    bodies = forward_kinematics(upright())
    for i, name in enumerate(character.NAMES):
        if name.startswith("right"):
            other = character.NAMES.index(name.replace("right", "left"))
            np.testing.assert_allclose(bodies.centres[0, i] * [1, -1, 1], bodies.centres[0, other])


def test_velocities_are_the_derivatives_of_positions():
    """Central differences along a motion with every joint turning; 1e-6 is their error."""
    rng = np.random.default_rng(3)
    spin, linear = rng.normal(size=(1, 13, 3)), rng.normal(size=(1, 3))
    pose = random_rotations(1, 13)

    def at(time):
        turned = rotations.multiply(pose, rotations.from_rotation_vector(spin * time))
        return forward_kinematics(CharacterState(linear * time, turned, linear, spin))

    step = 1e-5
    speed = (at(step).centres - at(-step).centres) / (2 * step)
    np.testing.assert_allclose(speed, at(0.0).velocities, atol=1e-6)


# --- clips


def clip_text(**changes) -> str:
    content = json.loads((FOLDER / "humanoid3d_run.txt").read_text())
    return json.dumps(content | changes)


def frames():
    return json.loads(clip_text())["Frames"]


@pytest.mark.parametrize(
    ("name", "n_frames", "duration", "loops", "displacement"),
    [
        ("backflip", 29, 1.75, True, (-1.079, 0)),
        ("cartwheel", 164, 2.7166, True, (-0.227, 2.127)),
        ("dance_a", 98, 1.6166, True, (0.198, 1.154)),
        ("run", 25, 0.8, True, (2.845, 0)),
        ("spinkick", 78, 1.2833, True, (0.469, -0.125)),
        ("walk", 39, 1.2666, True, (1.239, 0)),
        ("kick", 47, 1.5333, False, (0.984, 0.658)),
    ],
)
def test_clips_have_the_published_lengths(name, n_frames, duration, loops, displacement):
    clip = MotionClip.load(name)
    assert len(clip.frames.times) == n_frames
    assert clip.duration == pytest.approx(duration, abs=2e-4)
    assert clip.loops is loops
    np.testing.assert_allclose(clip.displacement[:2], displacement, atol=2e-3)


def test_every_looping_clip_has_an_id():
    looping = {name for name in SHIPPED if MotionClip.load(name).loops}
    assert looping == {clip for _, clip, _ in MOTIONS}


def test_the_shipped_clips_are_pybullets_unchanged():
    pybullet_data = pytest.importorskip("pybullet_data")
    folder = Path(pybullet_data.getDataPath()) / "data" / "motions"
    originals = sorted(folder.glob("humanoid3d_*.txt"))
    assert [path.name for path in originals] == sorted(p.name for p in FOLDER.glob("*.txt"))
    for path in originals:
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()


def test_a_clip_passes_through_its_frames_and_halfway_between_them():
    clip = MotionClip.load("walk")
    at_frames = clip.state(clip.frames.times[:-1])
    np.testing.assert_allclose(at_frames.root_position, clip.frames.root_positions[:-1], atol=1e-9)
    assert rotations.geodesic(at_frames.rotations, clip.frames.rotations[:-1]).max() < 1e-7
    times = (clip.frames.times[:-1] + clip.frames.times[1:]) / 2
    halfway = rotations.slerp(
        clip.frames.rotations[:-1], clip.frames.rotations[1:], np.full((38, 13), 0.5)
    )
    assert rotations.geodesic(clip.state(times).rotations, halfway).max() < 1e-7


@pytest.mark.parametrize(
    ("name", "fastest"),
    [("backflip", 27.0), ("spinkick", 25.0), ("dance_b", 20.0), ("run", 17.5), ("walk", 14.7)],
)
def test_velocities_have_no_spike_at_the_seam(name, fastest):
    """The frame after the last is the first of the next cycle; a difference across it would give
    200 rad/s in run.
    """
    clip = MotionClip.load(name)
    state = clip.state(np.linspace(0, 2 * clip.duration, 2001))
    assert np.abs(state.angular_velocities).max() == pytest.approx(fastest, rel=0.04)


def test_cycles_follow_each_other_over_the_ground_and_never_rise():
    clip = MotionClip.load("run")
    times = np.array([0.1, 0.1 + clip.duration, 0.1 + 3 * clip.duration])
    positions = clip.state(times).root_position
    np.testing.assert_allclose(positions[1] - positions[0], clip.displacement, atol=1e-9)
    np.testing.assert_allclose(positions[2] - positions[0], 3 * clip.displacement, atol=1e-9)
    assert clip.displacement[2] == 0.0


def test_a_clip_that_does_not_loop_stays_at_its_end():
    clip = MotionClip.load("punch")
    assert clip.phase(np.array([99.0])) == 1.0
    np.testing.assert_allclose(
        clip.state(np.array([99.0])).root_position, clip.frames.root_positions[-1:], atol=1e-9
    )


def bad_clips():
    short = frames()
    short[3] = short[3][:-1]
    negative = frames()
    negative[2][0] = -0.03
    nan = frames()
    nan[5][10] = float("nan")
    bent = frames()
    bent[4][8] *= 1.1
    text = frames()
    text[1][9] = "fast"
    return [
        (clip_text(Frames=short), "frame 3 has 43 numbers"),
        (clip_text(Frames=negative), "frame 2 lasts -0.03 s"),
        (clip_text(Frames=nan), "frame 5, number 10 is nan"),
        (clip_text(Frames=bent), "frame 4, rotation of chest has length 1"),
        (clip_text(Frames=text), "lists of numbers"),
        (clip_text(Frames=frames()[:1]), "has 1 frame"),
        (clip_text(Frames=[]), "has 0 frame"),
        (clip_text(Frames={}), "has 0 frame"),
        (clip_text(Loop="always"), "`Loop` must be"),
        ("walk on", "not a motion of DeepMimic's format"),
        ("[1, 2]", "not a motion of DeepMimic's format"),
        ("{}", "not a motion of DeepMimic's format"),
    ]


@pytest.mark.parametrize(("text", "message"), bad_clips())
def test_an_unsound_clip_is_refused_with_its_place(text, message, tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        MotionClip.load(path)
    assert str(path) in str(error.value)


def test_names_come_before_files_and_copies_of_published_clips_are_those_clips(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("run").write_text("#!/bin/sh")
    assert MotionClip.load("run").duration == pytest.approx(0.8, abs=1e-3)
    Path("mine.txt").write_bytes((FOLDER / "humanoid3d_kick.txt").read_bytes())
    assert MotionClip.load("mine.txt").name == "kick"
    Path("binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary\.txt is not a motion"):
        MotionClip.load("binary.txt")


def published(name):
    return json.loads((FOLDER / f"humanoid3d_{name}.txt").read_text())


def with_frames(content, change):
    return {**content, "Frames": [change(row) for row in content["Frames"]]}


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("digits", [None, 2])
def test_a_published_clip_saved_again_is_that_clip(name, digits, tmp_path):
    """Case 19: by a JSON tool, with a byte-order mark, other line ends, fewer digits, and a last
    frame that lasts.
    """
    content = published(name)
    content["Frames"][-1][0] = 0.0333
    if digits is not None:
        content = with_frames(content, lambda row: [round(x, digits) for x in row])
        for row, original in zip(content["Frames"], published(name)["Frames"], strict=True):
            row[0] = original[0]
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content, indent=2).replace("\n", "\r\n").encode())
    clip, original = MotionClip.load(path), MotionClip.load(name)
    assert clip.name == name
    assert clip.duration == pytest.approx(original.duration)
    np.testing.assert_allclose(
        np.abs(np.sum(clip.frames.rotations * original.frames.rotations, axis=-1)), 1.0, atol=2e-3
    )


def test_a_trimmed_clip_keeps_its_name_and_joined_ones_their_jump(tmp_path):
    kick = published("kick")
    trimmed, joined = tmp_path / "trimmed.txt", tmp_path / "joined.txt"
    trimmed.write_text(json.dumps({**kick, "Frames": kick["Frames"][3:20]}))
    assert MotionClip.load(trimmed).name == "kick"
    punch = published("punch")["Frames"]
    joined.write_text(json.dumps({**kick, "Frames": kick["Frames"] + punch}))
    clip, parts = MotionClip.load(joined), [MotionClip.load("kick"), MotionClip.load("punch")]
    assert clip.name == str(joined)
    assert clip.duration == pytest.approx(parts[0].duration + parts[1].duration)
    times = np.array([0.0, 0.3, parts[0].duration + 0.3, clip.duration])
    state = clip.state(times)
    assert np.isfinite(state.angular_velocities).all()
    expected = parts[1].state(np.array([0.3]))
    np.testing.assert_allclose(state.root_position[2], expected.root_position[0], atol=1e-9)
    np.testing.assert_allclose(
        state.angular_velocities[2], expected.angular_velocities[0], atol=1e-9
    )


def test_frames_that_last_no_time_are_no_clip():
    still = [[0.0, *row[1:]] for row in frames()]
    with pytest.raises(ValueError, match="its frames last 0 s"):
        MotionClip.parse(clip_text(Frames=still), "still")


def test_nearly_unit_quaternions_are_normalised():
    bent = frames()
    bent[4][8:12] = [1.008 * value for value in bent[4][8:12]]
    clip = MotionClip.parse(clip_text(Frames=bent), "bent")
    np.testing.assert_allclose(np.linalg.norm(clip.frames.rotations, axis=-1), 1.0, atol=1e-12)


def test_an_unknown_clip_names_the_nearest_and_all_known():
    with pytest.raises(ValueError, match=r"did you mean cartwheel.*known are backflip, cartwheel"):
        MotionClip.load("cartweel")


# --- features


def test_an_observation_has_the_papers_197_numbers():
    state = MotionClip.load("run").state(np.array([0.1, 0.5]))
    values = features(np.array([0.25, 1.0]), state, forward_kinematics(state), "quaternion")
    assert values.shape == (2, 197)
    assert features(np.array([0.25, 1.0]), state, forward_kinematics(state), "6d").shape == (2, 227)
    np.testing.assert_allclose(values[:, 0], [-0.5, 1.0])
    np.testing.assert_allclose(values[:, 1], state.root_position[:, 2])
    poses = values[:, 2:107].reshape(2, 15, 7)
    assert (poses[..., 3] >= 0).all()
    assert (np.abs(values) <= feature_bounds("quaternion")).all()


def test_turning_the_character_changes_its_root_features_only():
    state = MotionClip.load("dance_a").state(np.array([0.4]))
    turn = rotations.about_vertical(np.array([0.7]))
    pose = state.rotations.copy()
    pose[:, 0] = rotations.multiply(turn, pose[:, 0])
    turned = CharacterState(
        rotations.rotate(turn, state.root_position) + np.array([3.0, 4.0, 0.0]),
        pose,
        rotations.rotate(turn, state.root_velocity),
        state.angular_velocities,
    )
    values = [
        features(np.array([0.3]), each, forward_kinematics(each), "6d")[0]
        for each in (state, turned)
    ]
    changed = np.flatnonzero(np.abs(values[0] - values[1]) > 1e-9)
    root_rotation = set(range(2 + 3, 2 + 9))
    root_velocity = set(range(2 + 15 * 9, 2 + 15 * 9 + 6))
    assert changed.size
    assert set(changed.tolist()) <= root_rotation | root_velocity


# --- reward and metric


def test_perfect_imitation_pays_one():
    state = MotionClip.load("spinkick").state(np.linspace(0, 1, 7))
    bodies = forward_kinematics(state)
    terms = imitation_terms(state, bodies, state, bodies)
    np.testing.assert_allclose(sum(terms.values()), 1.0, atol=1e-12)
    assert {name: value[0] for name, value in terms.items()} == pytest.approx(
        {"pose": 0.5, "velocity": 0.05, "end_effector": 0.15, "root": 0.2, "com": 0.1}
    )


def test_reward_terms_of_one_bent_joint_in_closed_form():
    """Chest turned by 0.6 rad, spinning 3 rad/s off; root 0.1 m too high."""
    target, state = upright(), upright()
    state.rotations[0, 1] = rotations.from_rotation_vector(np.array([0, 0, 0.6]))
    state.angular_velocities[0, 1] = [0, 0, 3.0]
    state.root_position[0, 2] += 0.1
    terms = imitation_terms(state, forward_kinematics(state), target, forward_kinematics(target))
    weight = 0.5 / 4.8
    assert terms["pose"][0] == pytest.approx(0.5 * math.exp(-2 * weight * 0.6**2))
    assert terms["velocity"][0] == pytest.approx(0.05 * math.exp(-0.1 * weight * 9.0))
    assert terms["root"][0] == pytest.approx(0.2 * math.exp(-5 * 0.1**2))
    # feet are 0.1 m too high; hands are as well, and turn with the chest at their distance
    turned = [character.NAMES.index(f"{side}_wrist") for side in ("left", "right")]
    moved = forward_kinematics(state).origins[0] - forward_kinematics(target).origins[0]
    squares = [2 * 0.1**2, sum(float(moved[i] @ moved[i]) for i in turned)]
    assert terms["end_effector"][0] == pytest.approx(0.15 * math.exp(-40 * sum(squares) / 4))


@pytest.mark.parametrize(
    ("name", "frozen", "lag_step"),
    [
        ("backflip", 0.62, 0.120),
        ("cartwheel", 0.54, 0.066),
        ("run", 0.44, 0.142),
        ("walk", 0.27, 0.048),
    ],
)
def test_the_metric_has_the_calibrated_scale(name, frozen, lag_step):
    """A frozen first pose and a lag of one control step over 600 steps, against values computed
    independently; a perfect motion scores 0.
    """
    clip = MotionClip.load(name)
    times = np.arange(600) / 30
    target = clip.state(times)
    first = clip.state(np.zeros(600))
    late = clip.state(np.maximum(times - 1 / 30, 0.0))
    assert joint_rotation_errors(target, target)["joint_error"].max() < 1e-12
    assert joint_rotation_errors(first, target)["joint_error"].mean() == pytest.approx(
        frozen, abs=0.012
    )
    lag = joint_rotation_errors(late, target)["joint_error"].mean()
    assert lag == pytest.approx(lag_step, rel=0.05)


# --- actions


def test_a_zero_action_asks_for_the_clips_mean_pose():
    clip = MotionClip.load("run")
    targets = actions.absolute_targets(clip, "exp_map")(np.zeros((2, 28)))
    np.testing.assert_allclose(targets, [clip.mean_targets] * 2)
    one = np.zeros((1, 28))
    one[0, 9] = 0.25  # right knee: chest 3, neck 3, hip 3
    shifted = actions.absolute_targets(clip, "exp_map")(one)[0] - clip.mean_targets
    assert shifted[9] == pytest.approx(0.25 * math.pi)
    assert np.count_nonzero(shifted) == 1


def test_the_form_of_2018_in_closed_form():
    """36 numbers: angle and axis a ball joint, offset and scaled as DeepMimic does."""
    action = np.zeros((1, 36))
    action[0, 0], action[0, 1] = 0.1, 0.2  # chest: angle, x of the axis
    targets = actions.axis_angle_targets(action)
    axis = np.array([0.2, -0.2, 0.0]) / math.hypot(0.2, 0.2)
    np.testing.assert_allclose(targets[0, :3], 4.8 * 0.1 * axis)
    assert targets[0, 9] == pytest.approx(-1.57)  # right knee: the middle of its limits
    assert targets.shape == (1, 28)


def test_reference_targets_with_a_zero_action_are_the_clip_two_steps_ahead():
    clip = MotionClip.load("backflip")
    times = np.array([0.3, 1.7])
    targets = actions.reference_targets(clip, times, np.zeros((2, 28)))
    ahead = clip.state(times + 2 / 30).rotations[:, 1:]
    np.testing.assert_allclose(targets, joint_targets(rotations.rotation_vector(ahead)), atol=1e-9)
