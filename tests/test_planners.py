"""Planners on true dynamics."""

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner

from sb3_vdb import Demonstrations
from sb3_vdb.cli import main
from sb3_vdb.demonstrations import recording
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.planners import CEM, MPPI, BatchDynamics, SingleDynamics, make_dynamics
from sb3_vdb.planners.cem import correlated_noise
from sb3_vdb.planners.mppi import weighted_mean
from sb3_vdb_envs import environment
from tests.envs.test_contract import importable, needs_simulator

QUICK = {"n_samples": 8, "n_elites": 3, "n_iterations": 2, "horizon": 4}


class Corridor(gym.Env):
    """A number that an action moves; it pays the number, and ends beyond 1."""

    observation_space = gym.spaces.Box(-9.0, 9.0, (1,), np.float32)
    action_space = gym.spaces.Box(-0.2, 0.6, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0.0
        return self._observe(), {}

    def _observe(self):
        return np.array([self.place], np.float32)

    def step(self, action):
        self.place += float(action[0])
        return self._observe(), self.place, self.place > 1.0, False, {}

    def get_state(self):
        return self.place

    def set_state(self, state):
        self.place = state


gym.register("sb3_vdb_tests/Corridor-v0", entry_point=Corridor, max_episode_steps=9)
gym.register("sb3_vdb_tests/NoState-v0", entry_point="gymnasium.envs.classic_control:PendulumEnv")


def test_returns_are_what_stepping_pays_and_end_with_the_episode():
    """0.5, 1.0 and 1.5, after which the episode has ended; half of it, and discounted."""
    dynamics, env = (
        make_dynamics("sb3_vdb_tests/Corridor-v0", 2),
        gym.make("sb3_vdb_tests/Corridor-v0"),
    )
    assert isinstance(dynamics, SingleDynamics)
    env.reset(seed=0)
    actions = np.array([[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.0, 0.0]])[..., None]
    np.testing.assert_allclose(dynamics.returns(env, actions, 1.0), [3.0, 1.75])
    np.testing.assert_allclose(dynamics.returns(env, actions, 0.5), [1.375, 0.6875])
    assert env.unwrapped.place == 0.0


def rows(*names):
    return [needs_simulator(environment(f"sb3_vdb/{name}-v0")) for name in names]


@pytest.mark.parametrize(
    "row",
    rows(
        "CMaze",
        "HumanoidRun",
        "CheetahRunState",
        "PendulumSwingupState",
        "DClawScrew4CWState",
        "BaodingState",
        "CarRacingState",
    ),
)
def test_a_batch_of_copies_earns_what_single_environments_earn(row):
    """From the middle of an episode, bit for bit, in every family of environments."""
    env = gym.make(row.id)
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    shape = env.action_space.shape
    for _ in range(12):
        env.step(rng.uniform(-0.3, 0.3, shape).astype(np.float32))
    dynamics = make_dynamics(row.id, 3)
    dynamics._copies.place(env)
    states = [each for each in dynamics._copies._batch.observe()]
    assert all((each == states[0]).all() for each in states)
    assert isinstance(dynamics, BatchDynamics)
    actions = rng.uniform(-0.3, 0.3, (3, 4, *shape))
    earned = dynamics.returns(env, actions, 1.0)
    assert (dynamics.returns(env, actions, 1.0) == earned).all()  # nothing has moved
    total = 0.0
    for action in actions[1]:
        _, reward, terminated, truncated, _ = env.step(action.astype(np.float32))
        total += reward
        if terminated or truncated:
            break
    assert earned[1] == pytest.approx(total, abs=1e-12)
    dynamics.close()
    env.close()


@pytest.mark.skipif(not importable("mujoco"), reason="mujoco is not installed")
def test_gymnasiums_mujoco_environments_set_their_state_by_positions_and_velocities():
    version = max(int(name[-1]) for name in gym.registry if name.startswith("InvertedPendulum-v"))
    planner = CEM(f"InvertedPendulum-v{version}", seed=1, n_samples=16, n_elites=4, horizon=8)
    observation, _ = planner.env.reset(seed=0)
    for _ in range(15):
        action, _ = planner.predict(observation)
        observation, _, terminated, _, _ = planner.env.step(action)
        assert not terminated
    planner.close()


@pytest.mark.parametrize("kind", [CEM, MPPI])
def test_planning_finds_the_way_round_a_wall(kind):
    """The maze's start is 0.5 m from its goal; straight ahead ends at the wall, 0.2 m from it."""
    planner = kind("sb3_vdb/CMaze-v0", horizon=20, n_samples=100, seed=0)
    observation, _ = planner.env.reset(seed=0)
    begins = np.ones(1, dtype=bool)
    for _ in range(30):
        action, _ = planner.predict(observation[None], None, begins)
        assert action.shape == (1, 2)
        observation, *_ = planner.env.step(action[0])
        begins[:] = False
    assert np.linalg.norm(observation[:2] - (0.3, 0.5)) < 0.12
    planner.close()


def test_the_same_seed_plans_the_same_and_a_new_episode_forgets_the_plan():
    plans = []
    for _ in range(2):
        planner = CEM("sb3_vdb/CMaze-v0", seed=5, **QUICK)
        planner.env.reset(seed=0)
        seen = planner.env.reset(seed=0)[0]
        plans.append([planner.predict(seen)[0] for _ in range(2)])
        planner.predict(seen[None], None, np.ones(1, dtype=bool))
        planner.close()
    np.testing.assert_array_equal(*plans)


def test_a_plan_is_never_left_for_a_worse_one():
    planner = CEM("sb3_vdb/CMaze-v0", seed=0, **QUICK)
    planner.env.reset(seed=0)
    good = np.tile([-0.5, 1.0], (4, 1))
    better = planner.improve(good)
    before, after = (planner.returns(np.tile(plan, (8, 1, 1)))[0] for plan in (good, better))
    assert after >= before
    planner.close()


def test_weights_are_exponentials_of_the_return():
    samples = np.array([[[0.0]], [[1.0]]])
    assert weighted_mean(samples, np.array([0.0, np.log(3.0)]), 1.0) == pytest.approx(0.75)
    assert weighted_mean(samples, np.array([-np.inf, 0.0]), 1.0) == pytest.approx(1.0)


def test_noise_is_correlated_from_step_to_step_and_standard_normal():
    """Of 20,000 samples; three standard errors are 0.02."""
    noise = correlated_noise(np.random.default_rng(0), (20_000, 4, 1), 0.8)[..., 0]
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.02)
    correlations = np.corrcoef(noise.T)
    assert correlations[1, 2] == pytest.approx(0.8, abs=0.02)
    assert correlations[0, 2] == pytest.approx(0.64, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "env_id", "kwargs", "message"),
    [
        (CEM, "sb3_vdb/CMaze-v0", {"horizon": 0}, "`horizon` must be"),
        (CEM, "sb3_vdb/CMaze-v0", {"n_samples": 4, "n_elites": 5}, "`n_elites` must"),
        (CEM, "sb3_vdb/CMaze-v0", {"n_elites": 2.5}, "`n_elites` must be a whole number"),
        (MPPI, "sb3_vdb/CMaze-v0", {"temperature": "hot"}, "`temperature` must be"),
        (CEM, "sb3_vdb/CMaze-v0", {"std": 0.0}, "`std` must be a positive"),
        (CEM, "sb3_vdb/CMaze-v0", {"correlation": 1.0}, "`correlation` must"),
        (CEM, "sb3_vdb/CMaze-v0", {"discount": 0.0}, "`discount` must lie in"),
        (MPPI, "sb3_vdb/CMaze-v0", {"temperature": 0.0}, "`temperature` must be a positive"),
        (MPPI, "sb3_vdb/CMaze-v0", {"filter_coef": 0.0}, "`filter_coef` must lie in"),
        (MPPI, "sb3_vdb/CMazePixels-v0", {}, "plan in sb3_vdb/CMaze-v0"),
        (MPPI, "sb3_vdb_tests/NoState-v0", {}, "cannot set its state"),
        (MPPI, "CartPole-v1", {}, "cannot set its state"),
        (MPPI, "sb3_vdb/Nowhere-v0", {}, "is not registered"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_planned(kind, env_id, kwargs, message):
    with pytest.raises(ValueError, match=message):
        kind(env_id, **kwargs)


def test_observations_of_several_environments_are_refused():
    planner = CEM("sb3_vdb/CMaze-v0", **QUICK)
    with pytest.raises(ValueError, match="acts in its own environment, got 2"):
        planner.predict(np.zeros((2, 3)))
    planner.close()


def test_a_planner_refuses_what_another_environment_shows():
    planner = CEM("sb3_vdb/CMaze-v0", **QUICK)
    with pytest.raises(ValueError, match=r"acting_env=planner\.env"):
        planner.predict(np.zeros(3, np.float32))
    observation, _ = planner.env.reset(seed=0)
    planner.predict(observation)
    with pytest.raises(ValueError, match=r"acting_env=planner\.env"):
        planner.predict(observation + 0.1)
    with pytest.raises(ValueError, match=r"acting_env=planner\.env"):
        recording.record(planner, "sb3_vdb/CMaze-v0", 1)
    planner.close()


def test_a_planner_can_record_twice():
    planner = CEM("sb3_vdb/CMaze-v0", env_kwargs={"max_episode_steps": 3}, **QUICK)
    for _ in range(2):
        made = recording.record(
            planner,
            "sb3_vdb/CMaze-v0",
            1,
            env_kwargs={"max_episode_steps": 3},
            acting_env=planner.env,
        )
        assert len(made.episodes[0].actions) == 3
    planner.close()


def test_rewards_that_are_no_numbers_are_named(monkeypatch):
    planner = MPPI("sb3_vdb_tests/Corridor-v0", n_samples=4)
    observation, _ = planner.env.reset(seed=0)
    monkeypatch.setattr(planner.dynamics, "returns", lambda *_: np.full(4, np.nan))
    with pytest.raises(NonFiniteError, match="no sequence of actions has a finite return"):
        planner.predict(observation)


def test_a_batch_takes_no_copy_of_another_task():
    maze, other = make_dynamics("sb3_vdb/CMaze-v0", 2), gym.make("sb3_vdb/SMaze-v0")
    other.reset(seed=0)
    with pytest.raises(ValueError, match="is no single copy of this batch"):
        maze.returns(other, np.zeros((2, 1, 2)), 1.0)


def test_the_command_line_records_a_planner_for_pictures(tmp_path):
    path = tmp_path / "planned.npz"
    plan = [f"--plan={name}={value}" for name, value in QUICK.items()]
    arguments = ["record-demos", "sb3_vdb/CMazePixels-v0", "--episodes", "1", "--out", str(path)]
    limit = ["--arg", "max_episode_steps=6", "--arg", "start_noise=0.03"]
    result = CliRunner().invoke(main, [*arguments, *limit, "--planner", "cem", *plan])
    assert result.exit_code == 0, result.output
    demonstrations = Demonstrations.from_recording(path)
    assert demonstrations[0].observations.shape == (7, 64, 64, 3)
    refused = CliRunner().invoke(main, [*arguments, "--planner", "cem", "--plan", "depth=3"])
    assert "cem has no argument depth; it has horizon" in refused.output
    refused = CliRunner().invoke(main, [*arguments, "--planner", "cem", "--scripted"])
    assert "give one of --model, --scripted and --planner" in refused.output
    refused = CliRunner().invoke(main, [*arguments, "--scripted", "--plan", "horizon=3"])
    assert "--plan is for --planner" in refused.output
    refused = CliRunner().invoke(main, [*arguments, "--planner", "cem", "--algo", "PPO"])
    assert "--algo and --vec-normalize are for --model" in refused.output
