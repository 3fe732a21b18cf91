"""The claw at its valve, and the hand with two balls."""

import contextlib
import copy
import gc
import importlib.util
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

from sb3_vdb import make_vec_env

mujoco = pytest.importorskip("mujoco")

from sb3_vdb_envs.hands import baoding_model  # noqa: E402
from sb3_vdb_envs.hands.baoding import (  # noqa: E402
    CENTRE,
    HAND_START,
    PERIOD,
    RADII,
    BaodingTask,
    in_palm,
)
from sb3_vdb_envs.hands.batch import HandBatch, Look  # noqa: E402
from sb3_vdb_envs.hands.claw import ACTION_SCALE, ClawTask, norm  # noqa: E402
from sb3_vdb_envs.hands.claw_model import RESET_POSE  # noqa: E402
from sb3_vdb_envs.hands.env import (  # noqa: E402
    BaodingPixelEnv,
    BaodingStateEnv,
    ClawPixelEnv,
    ClawStateEnv,
)
from sb3_vdb_envs.hands.vector_env import claw_states  # noqa: E402

HAS_HAND = importlib.util.find_spec("gymnasium_robotics") is not None
NEEDS_HAND = pytest.mark.skipif(not HAS_HAND, reason="gymnasium-robotics is not installed")


# ------------------------------------------------------------------ the claw


@pytest.mark.parametrize(
    ("n_prongs", "mass", "inertia"), [(3, 0.476, 2.00e-3), (4, 0.557, 2.337e-3)]
)
def test_valves_have_robels_mass_and_inertia(n_prongs, mass, inertia):
    """The inertia about the hinge contains the armature, 1e-3; ROBEL's numbers have three digits,
    and the parts of a capsule that overlap the hub count twice here.
    """
    model = ClawTask(n_prongs, 1).model
    assert model.body("valve").mass[0] == pytest.approx(mass, abs=1e-3)
    valve = int(model.joint("valve").dofadr[0])
    assert model.dof_M0[valve] == pytest.approx(inertia, rel=0.02)


def test_finger_tips_stand_where_robels_do_and_touch_nothing():
    """Within 1.5 mm."""
    task = ClawTask(3, 1)
    position, _ = task.start(np.random.default_rng(0))
    data = mujoco.MjData(task.model)
    data.qpos[:] = position
    mujoco.mj_forward(task.model, data)
    np.testing.assert_allclose(data.site("tip1").xpos, (0.0592, 0.1028, 0.1401), atol=1.5e-3)
    assert data.ncon == 0


def test_the_reward_is_the_authors():
    """5 d v - |q - q_reset| - |moving rates|, by hand for a state in which each term is known."""
    task = ClawTask(4, -1)
    positions, velocities = np.zeros((1, task.model.nq)), np.zeros((1, task.model.nv))
    positions[0, task.joints] = RESET_POSE
    positions[0, task.joints[:2]] += (0.3, 0.4)
    velocities[0, 0] = -1.5  # of the valve, clockwise
    velocities[0, 1:4] = (0.6, 0.8, 0.49)  # the last one counts as still
    terms, terminated = task.outcome(positions, velocities, np.ones(1))
    assert terms["valve"][0] == pytest.approx(7.5)
    assert terms["pose"][0] == pytest.approx(-0.5)
    assert terms["rates"][0] == pytest.approx(-1.0)
    assert terminated is None


def test_targets_are_scaled_by_joint_and_no_farther_than_the_speed_limit():
    task = ClawTask(3, 1)
    position = np.array([task.start(np.random.default_rng(0))[0]])
    present = position[:, task.joints]
    far = task.controls(position, np.ones((1, 9)))
    np.testing.assert_allclose(np.abs(far - present), 2 * np.pi / 30)  # everything is farther away
    near = task.controls(position, (present + 0.01) / ACTION_SCALE)
    np.testing.assert_allclose(near, present + 0.01)


def test_standing_still_earns_nothing_and_the_valve_stops_at_once():
    """The time constant of the valve is 0.02 s."""
    env = ClawStateEnv()
    env.reset(seed=0)
    still = (np.array(RESET_POSE) / ACTION_SCALE).astype(np.float32)
    for _ in range(10):
        *_, info = env.step(still)
    assert sum(info[name] for name in info if name.startswith("reward/")) == pytest.approx(
        0, abs=0.2
    )
    hands = env._hands
    hands.velocities[0, 0] = 2.0
    env.step(still)
    assert abs(hands.velocities[0, 0]) < 0.05


def test_a_noisy_start_turns_the_valve_and_nothing_else():
    starts = [ClawTask(3, 1, 0.5).start(np.random.default_rng(seed))[0] for seed in range(20)]
    angles = np.array(starts)[:, 0]
    assert angles.std() > 0.1
    assert np.abs(angles).max() <= 0.5
    assert (np.array(starts)[:, 1:] == starts[0][1:]).all()


def test_the_norm_does_not_depend_on_the_batch():
    vectors = np.random.default_rng(0).normal(size=(7, 9))
    assert (norm(vectors)[2:3] == norm(vectors[2:3])).all()
    np.testing.assert_allclose(norm(vectors), np.linalg.norm(vectors, axis=1))


# ------------------------------------------------------------------ the hand


@NEEDS_HAND
def test_the_hand_has_26_controls_or_24_and_pddms_palm():
    """PDDM's palm is at (0, -0.11, 0.19)."""
    for n in (26, 24):
        task = BaodingTask(n)
        assert (task.model.nu, task.model.nq, len(task.joints)) == (n, n + 14, n)
        position, _ = task.start(np.random.default_rng(0))
        np.testing.assert_array_equal(position[task.joints[-24:]], HAND_START)
        data = mujoco.MjData(task.model)
        data.qpos[:] = position
        mujoco.mj_forward(task.model, data)
        np.testing.assert_allclose(data.body("palm").xpos, (0.0, -0.11, 0.19), atol=1e-3)


@NEEDS_HAND
@pytest.mark.parametrize("n_controls", [26, 24])
def test_a_resting_hand_holds_the_balls(n_controls):
    """Two seconds; the pose relaxes by some mm."""
    env = BaodingStateEnv(n_controls)
    env.reset(seed=0)
    for _ in range(20):
        *_, terminated, _, _ = env.step(np.zeros(n_controls, np.float32))
        assert not terminated
    heights = env._hands.positions[0, env.task._balls[:, 2]]
    assert (heights > 0.14).all()


@NEEDS_HAND
def test_a_dropped_ball_ends_the_episode_and_costs_510():
    task = BaodingTask()
    position, velocity = task.start(np.random.default_rng(0))
    position[task._balls[0, 2]] = 0.05
    terms, terminated = task.outcome(position[None], velocity[None], np.zeros(1))
    assert terminated[0]
    assert terms["drop"][0] + terms["wrist"][0] == -510.0
    position[task._balls[0, 2]], position[task._wrist] = 0.19, 0.16
    terms, terminated = task.outcome(position[None], velocity[None], np.zeros(1))
    assert not terminated[0]
    assert (terms["drop"][0], terms["wrist"][0]) == (0.0, -10.0)


@NEEDS_HAND
def test_the_balls_pay_for_their_distance_over_ground_from_an_ellipse_that_moves():
    task = BaodingTask()
    assert np.allclose(in_palm(0, PERIOD), in_palm(0, 0))
    middle = (in_palm(0, 7) + in_palm(1, 7)) / 2  # the two are opposite
    np.testing.assert_allclose(middle[[0, 2]], CENTRE)
    top = in_palm(0, PERIOD * (0.5 - 0.75) / 2)  # where its angle is pi/2
    assert top[2] == pytest.approx(CENTRE[1] + RADII[1])
    position, velocity = task.start(np.random.default_rng(0))
    targets = [target[0] for target in task._targets(position[None], np.zeros(1))]
    for ball, target in zip(task._balls, targets, strict=True):
        position[ball] = target + np.array([0.03, 0.04, 0.01])
    terms, _ = task.outcome(position[None], velocity[None], np.zeros(1))
    assert terms["ball_1"][0] == pytest.approx(-5 * 0.05)
    assert terms["ball_2"][0] == pytest.approx(-5 * 0.05)


@NEEDS_HAND
def test_an_action_of_0_asks_for_the_start_and_1_for_nine_tenths_of_the_way():
    task = BaodingTask(24)
    position = task.start(np.random.default_rng(0))[0][None]
    np.testing.assert_allclose(task.controls(position, np.zeros((1, 24))), [task._middle])
    np.testing.assert_allclose(task._middle, HAND_START, atol=0.14)  # but for two joints, exactly
    wanted = task._middle + 0.9 * (task._high - task._middle)
    present = np.array(HAND_START)
    reach = np.clip(wanted, present - 0.3, present + 0.3)
    np.testing.assert_allclose(task.controls(position, np.ones((1, 24)))[0], reach)


def test_a_missing_model_of_the_hand_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(baoding_model.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyNotInstalled, match=r"sb3-vdb\[hands\]"):
        BaodingTask()


# ------------------------------------------------------------------ pictures and copies


def test_pictures_show_the_valve_turn_and_larger_ones_average_down():
    env = ClawPixelEnv(4, 1, supersample=2)
    first = env.reset(seed=0)[0]
    env._hands.show(0, *turned(env), clock=0.0)
    second = env._hands.observe()[0]
    changed = (first != second).any(axis=-1)
    assert 50 < changed.sum() < 1500  # the valve, of 4096 pixels
    assert first.shape == (64, 64, 3)


def turned(env):
    positions = env._hands.positions[0].copy()
    positions[0] += np.pi / 4
    return positions, env._hands.velocities[0].copy()


def test_stacks_repeat_the_first_picture_and_hold_the_last_ones():
    stacked, plain = ClawPixelEnv(frame_stack=3, image_size=32), ClawPixelEnv(image_size=32)
    first, alone = stacked.reset(seed=0)[0], plain.reset(seed=0)[0]
    np.testing.assert_array_equal(first, np.concatenate([alone] * 3, axis=-1))
    pictures = [alone]
    for action in np.eye(9, dtype=np.float32)[:3]:
        latest = stacked.step(action)[0]
        pictures.append(plain.step(action)[0])
    np.testing.assert_array_equal(latest, np.concatenate(pictures[1:], axis=-1))


@NEEDS_HAND
def test_proprioception_observes_the_joints_beside_the_picture():
    env = BaodingPixelEnv(proprioception=True, image_size=32)
    seen, _ = env.reset(seed=0)
    assert env.observation_space.contains(seen)
    np.testing.assert_allclose(seen["joints"][-24:], HAND_START, atol=1e-6)
    venv = make_vec_env("sb3_vdb/BaodingPixels-v0", 2, env_kwargs={"proprioception": True})
    assert venv.reset()["joints"].shape == (2, 26)
    venv.close()


def test_a_batch_of_pictures_equals_single_environments():
    """Bit for bit, pictures as well."""
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 3, 9)).astype(np.float32)
    venv = make_vec_env("sb3_vdb/DClawScrew3CWPixels-v0", 3, 5, env_kwargs={"start_noise": 0.4})
    seen = [venv.reset()]
    for moment in actions:
        seen.append(venv.step(moment)[0])
    for i in range(3):
        single = gym.make("sb3_vdb/DClawScrew3CWPixels-v0", start_noise=0.4)
        trace = [single.reset(seed=5 + i)[0], *(single.step(moment[i])[0] for moment in actions)]
        np.testing.assert_array_equal([moment[i] for moment in seen], trace)
        single.close()
    venv.close()


def test_a_copy_goes_on_where_the_batch_is():
    batch = HandBatch(ClawTask(3, 1), 2, Look(image_size=16), threads=1)
    batch.reset(np.arange(2), [np.random.default_rng(i) for i in range(2)])
    actions = np.random.default_rng(1).uniform(-1, 1, (4, 2, 9))
    batch.step(actions[0])
    twin, state = copy.deepcopy(batch), batch.get_state()
    later = [batch.step(each) for each in actions[1:]][-1]
    again = [twin.step(each) for each in actions[1:]][-1]
    batch.set_state(state)
    third = [batch.step(each) for each in actions[1:]][-1]
    for other in (again, third):
        np.testing.assert_array_equal(later.observations, other.observations)
        np.testing.assert_array_equal(later.rewards, other.rewards)


def test_a_physics_state_can_be_shown_for_recordings():
    env = ClawStateEnv()
    env.reset(seed=0)
    seen = env.step(np.full(9, 0.5, np.float32))[0]
    state = env.physics.get_state()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.set_physics(state), seen)


@pytest.mark.parametrize(
    ("make", "kwargs", "message"),
    [
        (ClawStateEnv, {"n_prongs": 5}, "`n_prongs` must be 3 or 4, got 5"),
        (ClawStateEnv, {"direction": 0}, "`direction` must be 1 .* or -1 .*, got 0"),
        (ClawStateEnv, {"start_noise": -1.0}, "`start_noise` must lie between 0 and pi rad"),
        (ClawStateEnv, {"preset": "best"}, "`preset` must be one of"),
        (ClawStateEnv, {"render_mode": "human"}, "`render_mode` must be"),
        (ClawPixelEnv, {"image_size": 4}, "`image_size` must lie between"),
        (ClawPixelEnv, {"image_size": 64.0}, "`image_size` must be a whole number of pixels"),
        (ClawPixelEnv, {"supersample": 0}, "`supersample` must be a whole number"),
        (ClawPixelEnv, {"frame_stack": 0}, "`frame_stack` must be a whole number of pictures"),
        pytest.param(
            BaodingStateEnv, {"n_controls": 25}, "`n_controls` must be 26", marks=NEEDS_HAND
        ),
        pytest.param(
            BaodingStateEnv, {"start_noise": 1.0}, "between 0 and 0.2 rad", marks=NEEDS_HAND
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(make, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_a_batch_that_was_refused_has_nothing_to_close(monkeypatch):
    """Python reports what fails while it throws the rest away."""
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    for bad in ({"num_envs": 0}, {"preset": "best"}):
        with contextlib.suppress(ValueError):
            claw_states(**bad)
            pytest.fail("it was made")
    gc.collect()
    assert not reported


def test_bad_actions_are_refused():
    env = ClawStateEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not a number"):
        env.step(np.full(9, np.nan, np.float32))
    with pytest.raises(ValueError, match="the actions have shape"):
        env.step(np.zeros(8, np.float32))
    with pytest.raises(ValueError, match="`threads` must be a whole number"):
        HandBatch(ClawTask(3, 1), 2, None, threads=0)
