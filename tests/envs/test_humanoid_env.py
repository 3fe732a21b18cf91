"""The humanoid simulated: both simulators, their agreement, episodes, batches, what goes wrong."""

import importlib
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.utils.env_checker import check_env

from sb3_vdb import Demonstrations, make_vec_env
from sb3_vdb_envs import dependencies
from sb3_vdb_envs.humanoid import HumanoidEnv, HumanoidVectorEnv, character, rotations
from sb3_vdb_envs.humanoid.clips import MotionClip, joint_targets
from sb3_vdb_envs.humanoid.kinematics import CharacterState, forward_kinematics, lowest_points
from sb3_vdb_envs.vector import FINAL_OBSERVATION_KEY

mujoco = pytest.importorskip("mujoco")
from sb3_vdb_envs.humanoid.mujoco_simulator import MujocoSimulator  # noqa: E402

FIRST = np.zeros(1, dtype=np.intp)
SIMULATORS = ["mujoco", "bullet"]


def make_simulator(name, timestep=None):
    if name == "mujoco":
        return MujocoSimulator(1, timestep or 1 / 240)
    pytest.importorskip("pybullet")
    from sb3_vdb_envs.humanoid.bullet_simulator import BulletSimulator

    return BulletSimulator(timestep or 1 / 1200)


def standing_start(clip, time):
    """State of the clip, lifted out of the ground."""
    state = clip.state(np.atleast_1d(np.asarray(time, dtype=float)))
    state.root_position[:, 2] += np.maximum(
        0, -lowest_points(forward_kinematics(state)).min(axis=1)
    )
    return state


def in_the_air(clip, time, height=3.0):
    state = clip.state(np.array([time]))
    state.root_position[:, 2] = height
    return state


def play_open_loop(simulator, clip, time, n_steps, start):
    """Open loop: PD targets are the clip one step ahead."""
    simulator.put(FIRST, start)
    for step in range(n_steps):
        ahead = clip.state(np.array([time + (step + 1) / 30]))
        simulator.step(joint_targets(rotations.rotation_vector(ahead.rotations[:, 1:])))
    return simulator.get()


def distance(first, second):
    """Mean angle of the joints (rad) and mean distance of the bodies (m)."""
    angle = rotations.geodesic(first.rotations[:, 1:], second.rotations[:, 1:]).mean()
    bodies = forward_kinematics(first).centres - forward_kinematics(second).centres
    return angle, np.linalg.norm(bodies, axis=-1).mean()


# --- simulators


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_simulator_gives_back_the_state_it_was_given(name):
    simulator = make_simulator(name)
    state = MotionClip.load("cartwheel").state(np.array([1.1]))
    simulator.put(FIRST, state)
    for mine, theirs in zip(simulator.get(), state, strict=True):
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-9)
    simulator.close()
    simulator.close()


def test_kinematics_are_mujocos():
    state = MotionClip.load("dance_b").state(np.array([0.9]))
    simulator = MujocoSimulator(1)
    simulator.put(FIRST, state)
    data = mujoco.MjData(simulator._model)
    mujoco.mj_setState(
        simulator._model, data, simulator.get_state()[0], mujoco.mjtState.mjSTATE_FULLPHYSICS
    )
    mujoco.mj_forward(simulator._model, data)
    bodies, velocity = forward_kinematics(simulator.get()), np.zeros(6)
    for i, name in enumerate(character.NAMES):
        body = simulator._model.body(name).id
        np.testing.assert_allclose(data.xipos[body], bodies.centres[0, i], atol=1e-9)
        mujoco.mj_objectVelocity(
            simulator._model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0
        )
        np.testing.assert_allclose(velocity[:3], bodies.angular_velocities[0, i], atol=1e-9)
        np.testing.assert_allclose(velocity[3:], bodies.velocities[0, i], atol=1e-9)
    assert (simulator._model.nq, simulator._model.nv, simulator._model.nu) == (43, 34, 28)
    assert simulator._model.body_mass.sum() == pytest.approx(45.0)


def test_kinematics_are_bullets():
    simulator = make_simulator("bullet")
    simulator.put(FIRST, MotionClip.load("dance_b").state(np.array([0.9])))
    bodies = forward_kinematics(simulator.get())
    for link in range(character.N_BODIES - 1):
        found = simulator._bullet.getLinkState(
            simulator._body, link, computeLinkVelocity=1, computeForwardKinematics=1
        )
        np.testing.assert_allclose(found[0], bodies.centres[0, link + 1], atol=1e-9)
        np.testing.assert_allclose(found[6], bodies.velocities[0, link + 1], atol=1e-9)
        np.testing.assert_allclose(found[7], bodies.angular_velocities[0, link + 1], atol=1e-9)
    simulator.close()


@pytest.mark.parametrize("name", SIMULATORS)
def test_in_flight_the_centre_of_mass_only_feels_gravity(name):
    """Whatever the controllers do inside. 1 %: armature in MuJoCo, damped integration in Bullet."""
    clip, simulator = MotionClip.load("spinkick"), make_simulator(name)
    start = in_the_air(clip, 0.4)
    before = forward_kinematics(start).centre_of_mass_velocity()[0]
    after = forward_kinematics(
        play_open_loop(simulator, clip, 0.4, 9, start)
    ).centre_of_mass_velocity()[0]
    fall = np.array([0, 0, -character.GRAVITY * 0.3])
    np.testing.assert_allclose(after - before, fall, atol=0.03)
    simulator.close()


def angular_momentum(state):
    """About the centre of mass, kg m^2/s; inertia of each shape in closed form."""
    bodies = forward_kinematics(state)
    masses = character.MASSES[:, None]
    centre = (masses * bodies.centres[0]).sum(0) / character.TOTAL_MASS
    mean = bodies.centre_of_mass_velocity()[0]
    orbital = np.cross(bodies.centres[0] - centre, masses * (bodies.velocities[0] - mean)).sum(0)
    spin = np.zeros(3)
    for i, joint in enumerate(character.JOINTS):
        local = rotations.rotate(
            rotations.conjugate(bodies.rotations[0, i]), bodies.angular_velocities[0, i]
        )
        spin += rotations.rotate(bodies.rotations[0, i], inertia(joint) * local)
    return orbital + spin


def inertia(joint):
    """Principal moments of a solid sphere, box or capsule, kg m^2."""
    if joint.shape == "sphere":
        return np.full(3, 0.4 * joint.mass * joint.size[0] ** 2)
    if joint.shape == "box":
        x, y, z = joint.size
        return joint.mass / 3 * np.array([y * y + z * z, x * x + z * z, x * x + y * y])
    radius, half = joint.size
    cylinder, caps = 2 * half, 4 / 3 * radius
    mass_cylinder = joint.mass * cylinder / (cylinder + caps)
    mass_caps = joint.mass - mass_cylinder
    along = radius**2 * (0.5 * mass_cylinder + 0.4 * mass_caps)
    across = mass_cylinder * (radius**2 / 4 + cylinder**2 / 12)
    across += mass_caps * (0.4 * radius**2 + half**2 + 0.75 * radius * half)
    return np.array([across, across, along])


def test_in_flight_angular_momentum_stays():
    """Within 3 %: the added inertia of the joints (armature) is not in the closed form."""
    clip, simulator = MotionClip.load("backflip"), MujocoSimulator(1, 1 / 1200)
    start = in_the_air(clip, 0.6)
    before = angular_momentum(start)
    after = angular_momentum(play_open_loop(simulator, clip, 0.6, 6, start))
    assert np.linalg.norm(before) > 5
    assert np.linalg.norm(after - before) < 0.03 * np.linalg.norm(before)


def test_in_flight_without_motors_energy_stays():
    """Kinetic plus potential energy of the limp tree over 0.2 s. 2 %: first-order integration."""
    simulator = MujocoSimulator(1, 1 / 1200)
    simulator._model.actuator_gainprm[:] = 0
    simulator._model.actuator_biasprm[:] = 0
    simulator._model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    simulator._model.opt.disableflags |= (
        mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    )  # limp joints hit stops
    simulator.put(FIRST, in_the_air(MotionClip.load("backflip"), 0.6))
    data = mujoco.MjData(simulator._model)

    def energy():
        mujoco.mj_setState(
            simulator._model, data, simulator.get_state()[0], mujoco.mjtState.mjSTATE_FULLPHYSICS
        )
        mujoco.mj_forward(simulator._model, data)
        return data.energy.copy()

    before = energy()
    for _ in range(6):
        simulator.step(np.zeros((1, 28)))
    after = energy()
    assert after.sum() == pytest.approx(before.sum(), abs=0.02 * before[1])
    assert abs(after[0] - before[0]) > 0.1 * before[1]  # it did exchange energy


@pytest.fixture(scope="module")
def three_simulators():
    """MuJoCo at both timesteps and Bullet; placing a character makes them forget the last one."""
    kinds = (("mujoco", 1 / 240), ("mujoco", 1 / 1200), ("bullet", 1 / 1200))
    simulators = [make_simulator(*kind) for kind in kinds]
    yield simulators
    for simulator in simulators:
        simulator.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run", "walk", "backflip"])
def test_open_loop_motions_agree_between_simulators_and_timesteps(name, three_simulators):
    """0.3 s from 8 phases. A prototype measured .05 rad and 49 mm between the simulators, of which
    the ankles under contact are nearly all, and .015 rad and 17 mm between MuJoCo's timesteps; the
    bounds leave half as much again.
    """
    clip, results = MotionClip.load(name), []
    for time in np.arange(8) / 8 * clip.duration:
        start = standing_start(clip, time)
        ends = [play_open_loop(each, clip, time, 9, start) for each in three_simulators]
        coarse, fine, bullet = ends
        results.append([distance(coarse, bullet), distance(coarse, fine)])
    (simulators_rad, simulators_m), (steps_rad, steps_m) = np.mean(results, axis=0)
    assert simulators_rad < 0.08
    assert simulators_m < 0.08
    assert steps_rad < 0.025
    assert steps_m < 0.03


@pytest.mark.parametrize(("name", "radians"), [("run", 0.01), ("spinkick", 0.025)])
def test_in_the_air_the_simulators_agree_closely(name, radians):
    """Without contact, after 0.3 s. What remains is in the shoulders: far from zero the simulators
    apply the torque limits along different axes (spinkick: 0.08 rad in two joints).
    """
    clip = MotionClip.load(name)
    start = in_the_air(clip, 0.5)
    ends = []
    for name in SIMULATORS:
        simulator = make_simulator(name, 1 / 1200)
        ends.append(play_open_loop(simulator, clip, 0.5, 9, start))
        simulator.close()
    angle, metres = distance(*ends)
    assert angle < radians
    assert metres < 0.01


@pytest.mark.parametrize(
    ("timestep", "message"),
    [(1 / 100, "must divide"), (1 / 60, "too long"), (0.0, "must divide"), (-1, "must divide")],
)
def test_a_timestep_that_cannot_work_is_refused(timestep, message):
    with pytest.raises(ValueError, match=message):
        HumanoidVectorEnv(2, timestep=timestep)


# --- episodes


def test_at_the_start_the_character_has_the_clips_features():
    env = gym.make("sb3_vdb/HumanoidSpinkick-v0", random_start=False)
    observation, info = env.reset(seed=0)
    expected = Demonstrations.from_mocap("sb3_vdb/HumanoidSpinkick-v0")[0].observations[0]
    np.testing.assert_allclose(observation, expected, atol=1e-6)
    assert info["phase"] == 0.0


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_starts_are_anywhere_in_the_clip_and_never_fallen(simulator):
    if simulator == "bullet":
        pytest.importorskip("pybullet")
    env = HumanoidEnv("cartwheel", simulator=simulator)
    phases = []
    for seed in range(12):
        _, info = env.reset(seed=seed)
        phases.append(info["phase"])
        state, _ = env.batch.characters
        assert lowest_points(forward_kinematics(state)).min() > -1e-9
        *_, terminated, _, _ = env.step(np.zeros(28, np.float32))
        assert not terminated
    assert max(phases) > 0.7
    assert min(phases) < 0.3
    env.close()


def test_a_fall_ends_the_episode_with_reward_zero():
    env = gym.make("sb3_vdb/HumanoidRun-v0")
    env.reset(seed=1)
    for _ in range(100):
        _, reward, terminated, truncated, info = env.step(np.zeros(28, np.float32))
        if terminated:
            break
    assert terminated
    assert not truncated
    assert info["fallen"]
    assert not info["diverged"]
    assert reward == 0.0
    assert info["reward/pose"] == 0.0


def lying(simulator_env):
    """A character on its hands and knees: lean it forward until a hand touches."""
    state = CharacterState(*(part.copy() for part in simulator_env.batch.characters[0]))
    state.rotations[:] = [1, 0, 0, 0]
    state.rotations[0, 0] = rotations.from_rotation_vector(np.array([0, np.pi / 2, 0]))
    arms = [i for i, j in enumerate(character.MOVING) if "shoulder" in character.NAMES[j]]
    state.rotations[0, arms] = rotations.from_rotation_vector(np.array([0, -np.pi / 2, 0]))
    state.root_position[0] = [0, 0, 0]
    for part in (state.root_velocity, state.angular_velocities):
        part[:] = 0
    state.root_position[0, 2] = -lowest_points(forward_kinematics(state)).min() + 1e-4
    return state


@pytest.mark.parametrize(
    ("fall", "ends"),
    [("deepmimic", True), ("torso", False), ("none", False), (["left_wrist"], True)],
)
def test_the_fall_rule_says_what_may_touch_the_ground(fall, ends):
    env = HumanoidEnv("walk", fall=fall)
    env.reset(seed=0)
    state = lying(env)
    env.batch.simulator.put(FIRST, state)
    hold = joint_targets(rotations.rotation_vector(state.rotations[:, 1:])) - env.clip.mean_targets
    *_, terminated, _, _ = env.step((hold[0] / np.pi).astype(np.float32))
    assert terminated is ends


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_earlier_episodes_leave_no_trace(simulator):
    if simulator == "bullet":
        pytest.importorskip("pybullet")
    env = HumanoidEnv("walk", simulator=simulator)
    actions = np.random.default_rng(0).normal(0, 0.1, (12, 28)).astype(np.float32)

    def episode(seed):
        trace = [env.reset(seed=seed)[0]]
        return [*trace, *(env.step(action)[0] for action in actions)]

    first = episode(0)
    for seed in (5, 6):
        episode(seed)
    np.testing.assert_array_equal(first, episode(0))
    env.close()


def test_a_clip_that_does_not_loop_ends_the_episode_without_failure():
    env = gym.make("sb3_vdb/HumanoidMocap-v0", clip="getup_faceup", random_start=False)
    env.reset(seed=0)
    ends = [env.step(np.zeros(28, np.float32))[2:4] for _ in range(113)]
    assert ends[-1] == (False, True)
    assert ends[:-1] == [(False, False)] * 112


def test_the_horizon_is_20_seconds():
    for env_id in (
        "sb3_vdb/HumanoidRun-v0",
        "sb3_vdb/BulletHumanoidRun-v0",
        "sb3_vdb/HumanoidMocap-v0",
    ):
        assert gym.spec(env_id).max_episode_steps == 600
    assert HumanoidVectorEnv(2).max_episode_steps == 600


def test_at_a_new_cycle_the_clip_moves_over_the_character():
    env = HumanoidEnv("run", fall="none", random_start=False)
    free = HumanoidEnv("run", fall="none", random_start=False, sync_root=False)
    for each in (env, free):
        each.reset(seed=0)
        for _ in range(24):  # one cycle of 0.8 s
            each.step(np.zeros(28, np.float32))
    state, target = env.batch.characters
    np.testing.assert_allclose(state.root_position[0, :2], target.root_position[0, :2], atol=1e-9)
    _, target = free.batch.characters
    np.testing.assert_allclose(target.root_position[0, 0], 2.845, atol=2e-3)


def test_reference_targets_follow_the_clip_better_than_a_still_pose():
    errors = {}
    for target in ("absolute", "reference"):
        env = HumanoidEnv("run", target=target, fall="none")
        env.reset(seed=3)
        errors[target] = np.mean([env.step(np.zeros(28))[4]["joint_error"] for _ in range(9)])
    assert errors["reference"] < 0.6 * errors["absolute"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip": "hop"}, "known are backflip"),
        ({"fall": "knees"}, "`fall` must be"),
        ({"fall": ["tail"]}, "`fall` must be"),
        ({"rotation": "euler"}, "`rotation` must be one of quaternion, 6d"),
        ({"action": "torque"}, "`action` must be one of exp_map, axis_angle"),
        ({"target": "relative"}, "`target` must be one of absolute, reference"),
        ({"target": "reference", "action": "axis_angle"}, 'needs `action` "exp_map"'),
        ({"render_mode": "human"}, "`render_mode` must be"),
    ],
)
def test_unknown_choices_are_refused_by_single_and_batch(arguments, message):
    for make in (HumanoidEnv, lambda **kwargs: HumanoidVectorEnv(2, **kwargs)):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


def test_a_clip_that_breaks_its_own_fall_rule_is_warned_of(caplog):
    HumanoidEnv("crawl", fall=["left_wrist", "right_knee"])
    assert "touches the ground with right_knee" in caplog.text
    caplog.clear()
    for clip in ("run", "cartwheel", "crawl", "roll", "getup_faceup"):
        HumanoidEnv(clip)
    assert not caplog.text


def test_an_unknown_simulator_is_refused():
    with pytest.raises(ValueError, match="`simulator` must be one of mujoco, bullet"):
        HumanoidEnv(simulator="havok")


def test_an_unknown_skill_names_the_nearest_ids():
    with pytest.raises(gym.error.NameNotFound, match="Humanoid"):
        gym.make("sb3_vdb/HumanoidJog-v0")


@pytest.mark.parametrize(
    ("module", "env_id", "remedy"),
    [
        ("pybullet", "sb3_vdb/BulletHumanoidRun-v0", r"sb3-vdb\[bullet\].*MuJoCo ids"),
        ("mujoco", "sb3_vdb/HumanoidRun-v0", r"sb3-vdb\[humanoid\]"),
        ("mujoco", "sb3_vdb/WalkerWalkState-v0", r"sb3-vdb\[pixels\].*dm_control"),
        ("mujoco", "sb3_vdb/WalkerWalkPixels-v0", r"sb3-vdb\[pixels\].*dm_control"),
    ],
)
def test_a_missing_simulator_is_named_with_its_remedy(module, env_id, remedy, monkeypatch):
    real = importlib.import_module

    def missing(name, *args):
        if name.split(".")[0] == module:
            raise ImportError(f"No module named {name!r}")
        return real(name, *args)

    monkeypatch.setattr(dependencies.importlib, "import_module", missing)
    with pytest.raises(DependencyNotInstalled, match=remedy):
        gym.make(env_id)


def test_mujoco_needs_no_pybullet(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pybullet", None)
    monkeypatch.setitem(__import__("sys").modules, "pybullet_data", None)
    env = gym.make("sb3_vdb/HumanoidBackflip-v0")
    env.reset(seed=0)
    env.step(env.action_space.sample())


# --- batches


@pytest.mark.parametrize("threads", [None, 1])
def test_a_batch_is_so_many_single_characters(threads):
    """Bit for bit, over falls and restarts, whatever the number of threads."""
    n, steps = 3, 40
    batch = HumanoidVectorEnv(n, "run", threads=threads)
    rng = np.random.default_rng(0)
    actions = rng.normal(0, 0.1, (steps, n, 28)).astype(np.float32)
    singles = [HumanoidEnv("run") for _ in range(n)]
    observations, _ = batch.reset(seed=5)
    for i, env in enumerate(singles):
        np.testing.assert_array_equal(env.reset(seed=5 + i)[0], observations[i])
    falls = 0
    for action in actions:
        observations, rewards, terminated, _, infos = batch.step(action)
        for i, env in enumerate(singles):
            mine, reward, fell, _, info = env.step(action[i])
            assert (reward, fell) == (rewards[i], terminated[i])
            if fell:
                falls += 1
                np.testing.assert_array_equal(infos[FINAL_OBSERVATION_KEY][i], mine)
                mine, _ = env.reset()
            assert info["joint_error"] == infos["joint_error"][i]
            np.testing.assert_array_equal(mine, observations[i])
    assert falls > 0
    batch.close()


def test_a_batch_goes_on_from_a_saved_state():
    env = HumanoidVectorEnv(4, "backflip")
    env.reset(seed=0)
    actions = np.random.default_rng(1).normal(0, 0.1, (60, 4, 28)).astype(np.float32)
    for action in actions[:30]:
        env.step(action)
    state = env.get_state()
    expected = [env.step(action)[:3] for action in actions[30:]]
    other = HumanoidVectorEnv(4, "backflip")
    other.set_state(state)
    for action, (observations, rewards, terminated) in zip(actions[30:], expected, strict=True):
        result = other.step(action)
        np.testing.assert_array_equal(result[0], observations)
        np.testing.assert_array_equal(result[1], rewards)
        np.testing.assert_array_equal(result[2], terminated)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
def test_falls_restart_as_the_autoreset_mode_says(mode):
    if FINAL_OBSERVATION_KEY == "final_observation" and mode != "SameStep":
        pytest.skip("Gymnasium 0.29 knows one mode")
    env = HumanoidVectorEnv(8, "run", autoreset_mode=mode)
    env.reset(seed=0)
    still = np.zeros((8, 28), np.float32)
    for _ in range(100):
        _, rewards, terminated, _, infos = env.step(still)
        if terminated.any():
            break
    fallen = np.flatnonzero(terminated)
    if mode == "SameStep":
        assert all(infos[FINAL_OBSERVATION_KEY][i] is not None for i in fallen)
        assert (
            infos["final_info"]["fallen"][fallen]
            if isinstance(infos["final_info"], dict)
            else np.array([infos["final_info"][i]["fallen"] for i in fallen])
        ).all()
    elif mode == "NextStep":
        _, rewards, terminated, truncated, _ = env.step(still)
        assert (rewards[fallen] == 0).all()
        assert not (terminated | truncated)[fallen].any()
    else:
        with pytest.raises(ValueError, match="reset them with"):
            env.step(still)


@pytest.mark.parametrize("value", [np.nan, 300.0, 1e3, 1e6, 1e12])
def test_a_diverged_simulation_ends_the_episode_and_leaves_no_nan(value, caplog):
    env = HumanoidVectorEnv(3, "walk")
    env.reset(seed=0)
    real = env.batch.simulator.step

    def blow_up(targets):
        state = env.batch.simulator.get_state()
        state[1, -5:] = value
        env.batch.simulator.set_state(state)
        real(targets)

    env.batch.simulator.step = blow_up
    observations, rewards, terminated, _, infos = env.step(np.zeros((3, 28), np.float32))
    assert terminated.tolist() == [False, True, False]
    assert env.diverged_episodes == 1
    assert "simulation of 1 character(s) diverged" in caplog.text
    assert np.isfinite(observations).all()
    assert np.isfinite(rewards).all()
    assert rewards[1] == 0.0
    final = infos[FINAL_OBSERVATION_KEY][1]
    assert np.isfinite(final).all()


def test_an_action_of_the_wrong_shape_is_refused():
    env = HumanoidEnv("walk")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(1,\), the action space has \(28,\)"):
        env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("seed", [0, 3, np.int64(0), np.int64(3)])
def test_seeds_of_any_integer_type_mean_the_same(seed):
    first, second = HumanoidVectorEnv(2, "walk"), HumanoidVectorEnv(2, "walk")
    np.testing.assert_array_equal(first.reset(seed=seed)[0], second.reset(seed=int(seed))[0])


def test_bullet_can_be_asked_for_in_many_environments():
    pytest.importorskip("pybullet")
    kwargs = {"clip": "kick", "simulator": "bullet"}
    venv = make_vec_env("sb3_vdb/HumanoidMocap-v0", 2, seed=0, env_kwargs=kwargs)
    assert venv.reset().shape == (2, 197)
    venv.close()


def test_an_action_that_is_not_a_number_is_refused():
    env = HumanoidVectorEnv(3, "walk")
    env.reset(seed=0)
    actions = np.zeros((3, 28), np.float32)
    actions[2, 5] = np.nan
    with pytest.raises(ValueError, match="action of character 2"):
        env.step(actions)


# --- demonstrations and pictures


def test_demonstrations_are_the_clip_with_phase_and_without_actions():
    demonstrations = Demonstrations.from_mocap("sb3_vdb/HumanoidRun-v0")
    trajectory = demonstrations[0]
    assert len(trajectory) == 24
    assert len(demonstrations) == 16
    assert not demonstrations.has_actions
    np.testing.assert_allclose(
        trajectory.observations[:24, 0], 2 * np.arange(24) / 24 - 1, atol=2e-4
    )
    venv = make_vec_env("sb3_vdb/HumanoidRun-v0", 2)
    demonstrations.validate(venv.observation_space, venv.action_space, needs_actions=False)
    phases = np.sort([each.observations[0, 0] for each in demonstrations])
    np.testing.assert_allclose(phases, 2 * np.arange(16) / (16 * 24) - 1, atol=2e-4)
    finer = Demonstrations.from_mocap("sb3_vdb/HumanoidRun-v0", rate=120.0, n_starts=1)
    assert len(finer[0]) == 96
    np.testing.assert_allclose(
        finer[0].observations[:-4:4], trajectory.observations[:-1], atol=1e-4
    )


def test_an_environment_without_a_clip_gives_no_mocap():
    with pytest.raises(ValueError, match="has no motion clip"):
        Demonstrations.from_mocap("sb3_vdb/CMaze-v0")
    with pytest.raises(ValueError, match="`rate` must give at least one step"):
        Demonstrations.from_mocap("sb3_vdb/HumanoidRun-v0", rate=0.0)
    with pytest.raises(ValueError, match="`n_starts` must be a whole number from 1 on, got 0"):
        Demonstrations.from_mocap("sb3_vdb/HumanoidRun-v0", n_starts=0)


def test_a_clip_that_does_not_loop_is_demonstrated_to_its_end_from_every_start():
    demonstrations = Demonstrations.from_mocap("sb3_vdb/HumanoidMocap-v0", None, {"clip": "kick"})
    assert {len(each) for each in demonstrations} <= {45, 46}
    assert max(each.observations[-1, 0] for each in demonstrations) <= 1.0
    assert not demonstrations.view.observation.loops


# --- the root's drift from the clip, for discriminators


def test_the_drift_is_zero_at_the_start_and_the_roots_way_in_the_heading_frame():
    venv = make_vec_env("sb3_vdb/HumanoidSpinkick-v0", 3, seed=4, env_kwargs={"drift": True})
    first = venv.reset()
    np.testing.assert_allclose(first["drift"], 0.0, atol=1e-6)
    for _ in range(3):
        observations, *_ = venv.step(np.zeros((3, 28), np.float32))
    state, target = venv.get_attr("batch")[0].characters
    away = state.root_position - target.root_position
    speed = state.root_velocity - target.root_velocity
    assert np.linalg.norm(away[:, :2], axis=1).max() > 1e-3
    yaw = rotations.yaw(state.rotations[:, 0])
    ahead = away[:, 0] * np.cos(yaw) + away[:, 1] * np.sin(yaw)
    np.testing.assert_allclose(observations["drift"][:, 0], ahead, atol=1e-5)
    np.testing.assert_allclose(observations["drift"][:, 4], speed[:, 2], atol=1e-5)
    lengths = np.linalg.norm(observations["drift"], axis=1)
    whole = np.concatenate([away[:, :2], speed], axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(whole, axis=1), rtol=1e-5)


def test_the_state_is_the_same_with_and_without_the_drift():
    venvs = [
        make_vec_env("sb3_vdb/HumanoidRun-v0", 2, seed=1, env_kwargs=kwargs)
        for kwargs in ({}, {"drift": True})
    ]
    plain, parts = (venv.reset() for venv in venvs)
    np.testing.assert_array_equal(plain, parts["state"])
    plain, parts = (venv.step(np.full((2, 28), 0.1, np.float32))[0] for venv in venvs)
    np.testing.assert_array_equal(plain, parts["state"])
    check_env(gym.make("sb3_vdb/HumanoidRun-v0", drift=True).unwrapped, skip_render_check=True)


def test_errors_at_other_phases_find_a_character_that_is_out_of_time():
    venv = make_vec_env("sb3_vdb/HumanoidRun-v0", 4, seed=2, every_step_infos=True)
    venv.reset()
    *_, infos = venv.step(np.zeros((4, 28), np.float32))
    (errors, *_) = venv.env_method("joint_errors_at", np.array([0.0, 0.25, 0.5]))
    assert errors.shape == (3, 4)
    np.testing.assert_allclose(errors[0], [info["joint_error"] for info in infos])
    batch = venv.get_attr("batch")[0]
    batch._times[:] = 0.1  # the character goes on where it is, and the clock is set
    state = batch.settings.clip.state(np.full(4, 0.1 + 0.25 * batch.settings.clip.duration))
    batch._state = state
    late = batch.joint_errors_at(np.arange(8) / 8)
    assert (late.argmin(axis=0) == 2).all()
    assert late.min() < 1e-6


def test_pictures_show_the_character_right_of_the_clip():
    """The character is coloured (blue and red), the clip grey."""
    env = gym.make("sb3_vdb/HumanoidRun-v0", render_mode="rgb_array", render_height=120)
    env.reset(seed=0)
    picture = env.render().astype(int)
    coloured = np.abs(picture[..., 0] - picture[..., 2]) > 60
    columns = np.flatnonzero(coloured.any(axis=0))
    assert coloured.sum() > 50
    assert columns.min() > picture.shape[1] / 2
    env.close()


def test_batches_render_every_character():
    env = HumanoidVectorEnv(2, "run", render_mode="rgb_array", render_height=64)
    env.reset(seed=0)
    first, second = env.render()
    assert first.shape == (64, 114, 3)
    assert (first != second).any()
    env.close()


def test_the_back_end_of_opengl_is_chosen_and_refused_by_name(monkeypatch):
    from sb3_vdb_envs import offscreen

    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(ValueError, match="MUJOCO_GL must be one of egl, osmesa, glfw"):
        offscreen.back_end()
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(offscreen.sys, "platform", "linux")
    monkeypatch.setattr(offscreen, "_egl_has_a_display", lambda library: True)
    for installed, expected in ((["EGL", "OSMesa"], "egl"), (["OSMesa"], "osmesa")):
        monkeypatch.setattr(
            offscreen.ctypes.util,
            "find_library",
            lambda name, found=installed: name if name in found else None,
        )
        assert offscreen.back_end() == expected
    monkeypatch.setattr(offscreen.ctypes.util, "find_library", lambda name: name)
    monkeypatch.setattr(offscreen, "_egl_has_a_display", lambda library: False)
    assert offscreen.back_end() == "osmesa"
    monkeypatch.setattr(offscreen.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(DependencyNotInstalled, match="libegl1"):
        offscreen.back_end()


@pytest.mark.skipif(sys.platform != "linux", reason="EGL without a display is Linux's")
@pytest.mark.parametrize(("driver", "works"), [(None, True), ("/nowhere.json", False)])
def test_egl_without_a_driver_is_not_chosen(driver, works):
    """The probe opens what MuJoCo would open; another process has other drivers."""
    environment = dict(os.environ)
    if driver is not None:
        environment["__EGL_VENDOR_LIBRARY_FILENAMES"] = driver
    code = (
        "import ctypes.util; from sb3_vdb_envs.offscreen import _egl_has_a_display; "
        "print(_egl_has_a_display(ctypes.util.find_library('EGL') or ''))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(works)
