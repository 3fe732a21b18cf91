"""The one loop that runs policies: memory, masks, raw values, and what it refuses."""

import ast
from contextlib import closing
from itertools import islice

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import SAC
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from sb3_vdb import Demonstrations, GymnasiumVecEnv, RewardVecEnv, make_vec_env
from sb3_vdb.acting import ActingPolicy, RandomActions, steps
from sb3_vdb.demonstrations import recording, rollouts
from sb3_vdb.evaluation import evaluate_imitation, evaluate_returns
from sb3_vdb.evaluation.videos import record_video
from tests.conftest import small_ppo
from tests.test_structure import MODULES


class Count(gym.Env):
    """Observes (number of the environment, step, 100 * step), is paid the step, and ends after
    ``length`` steps. Of four actions the one of the step's number is allowed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    keys = ("joint_error", "joint_error_with_root", "joint_error_weighted", "root_speed")

    def __init__(self, number=0, length=4, parts=False, box=False, render_mode=None):
        vector = spaces.Box(-np.inf, np.inf, (3,))
        self.observation_space = spaces.Dict({"a": vector, "b": vector}) if parts else vector
        self.action_space = spaces.Box(-1, 1, (2,)) if box else spaces.Discrete(4)
        self.number, self.length, self.parts, self.render_mode = number, length, parts, render_mode

    def observe(self):
        vector = np.array([self.number, self.now, 100 * self.now], np.float32)
        return {"a": vector, "b": -vector} if self.parts else vector

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now, self.starts = 0, seed
        return self.observe(), {}

    def step(self, action):
        self.now += 1
        info = dict.fromkeys(self.keys, 0.0) | {"fallen": False, "diverged": False}
        return self.observe(), float(self.now), False, self.now >= self.length, info

    def render(self):
        return np.full((16, 16, 3), 10 * self.now, np.uint8)

    def action_masks(self):
        return np.arange(4) == self.now


gym.register("Count-v3", f"{__name__}:Count")
PLAIN = {"trace_updates": False, "device": "cpu"}  # tracing takes longer than these runs
LENGTHS = (3, 5)
EXPECTED = [[[i, t, 100 * t] for t in range(n + 1)] for i, n in enumerate(LENGTHS)]


def environments(**kwargs):
    return DummyVecEnv([lambda i=i, n=n: Count(i, n, **kwargs) for i, n in enumerate(LENGTHS)])


class Remembering:
    """Its state is the number of steps of each episode, which it notes."""

    def __init__(self, action=0):
        self.noted, self.action = [], action

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert episode_start.all() or state is not None
        state = np.where(episode_start, 0, np.zeros(1, int) if state is None else state + 1)
        self.noted.append(state)
        return np.stack([self.action] * len(observation)), state


# ---------------------------------------------------------------------- memory


def test_a_policy_remembers_and_forgets_where_an_episode_begins():
    policy = Remembering()
    actor, observations = ActingPolicy(policy, 2), np.zeros((2, 1))
    for dones in ([False, True], [False, False], [True, False]):
        actor.act(observations)
        actor.note_ends(np.array(dones))
    np.testing.assert_array_equal(policy.noted, [[0, 0], [1, 0], [2, 1]])


RUNS = {
    "evaluate_returns": lambda policy, path: evaluate_returns(policy, environments(), 2),
    "from_rollouts": lambda policy, path: Demonstrations.from_rollouts(policy, environments(), 2),
    "evaluate_imitation": lambda policy, path: evaluate_imitation(policy, environments()),
    "record": lambda policy, path: recording.record(policy, "Count-v3", 2),
    "record_video": lambda policy, path: record_video("Count-v3", policy, path, 0.7),
}


@pytest.mark.parametrize("run", RUNS)
def test_whatever_runs_a_policy_carries_its_memory(run, tmp_path):
    policy = Remembering()
    RUNS[run](policy, tmp_path / "video.gif")
    if run in ("record", "record_video"):
        assert (
            np.concatenate(policy.noted).tolist() == [0, 1, 2, 3, 0, 1, 2, 3][: len(policy.noted)]
        )
        assert len(policy.noted) == {"record": 8, "record_video": 7}[run]
    else:
        assert np.array(policy.noted).tolist() == [[0, 0], [1, 1], [2, 2], [0, 3], [1, 4]]


def test_a_recurrent_policy_acts_as_by_hand():
    venv = environments(box=True)
    model = RecurrentPPO(
        "MlpLstmPolicy", venv, n_steps=8, policy_kwargs={"lstm_hidden_size": 8}, seed=0
    )
    played = Demonstrations.from_rollouts(model, environments(box=True), 2, deterministic=True)
    venv, state, starts = environments(box=True), None, np.ones(2, bool)
    observations, actions = venv.reset(), []
    for _ in range(5):
        action, state = model.predict(observations, state, starts, deterministic=True)
        observations, _, starts, _ = venv.step(action)
        actions.append(action)
    np.testing.assert_array_equal(played[0].actions, [each[0] for each in actions[:3]])
    np.testing.assert_array_equal(played[1].actions, [each[1] for each in actions])


# ---------------------------------------------------------------------- masks

MASKED = {
    "plain": lambda: environments(),
    "normalised parts": lambda: VecMonitor(VecNormalize(environments(parts=True))),
    "vector environment": lambda: GymnasiumVecEnv(
        gym.vector.SyncVectorEnv([lambda i=i, n=n: Count(i, n) for i, n in enumerate(LENGTHS)])
    ),
}


@pytest.mark.parametrize("stack", MASKED)
def test_a_masked_policy_takes_allowed_actions_only(stack):
    venv = MASKED[stack]()
    policy = "MultiInputPolicy" if "parts" in stack else "MlpPolicy"
    model = MaskablePPO(policy, venv, n_steps=8, seed=0, device="cpu")
    shorter = MASKED[stack]()  # allowed is the action of the step's number
    played = Demonstrations.from_rollouts(model, shorter, 4)
    assert all(each.actions[:4].tolist() == [0, 1, 2, 3][: len(each)] for each in played)


def test_masks_that_the_environments_cannot_give_are_asked_for_by_name():
    model = MaskablePPO("MlpPolicy", environments(), n_steps=8, device="cpu")
    with pytest.raises(ValueError, match=r"have no method `action_masks`; wrap them in .*ActionM"):
        evaluate_returns(model, make_vec_env("CartPole-v1", 2), 2)


def test_a_policy_without_masks_acts_without_them():
    assert evaluate_returns(Remembering(), environments(), 2).returns.tolist() == [6.0, 15.0]


# ---------------------------------------------------------------------- raw values

STACKS = {
    "plain": lambda venv: venv,
    "normalised": VecNormalize,
    "monitored": lambda venv: VecMonitor(VecNormalize(venv)),
    "checked": lambda venv: VecCheckNan(VecNormalize(venv)),
    "stacked above": lambda venv: VecFrameStack(VecNormalize(venv), 2),
    "twice": lambda venv: VecNormalize(VecMonitor(VecNormalize(venv))),
    "below": lambda venv: VecNormalize(VecMonitor(venv)),
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("parts", [False, True])
def test_raw_values_come_from_below_any_stack(stack, parts):
    venv = STACKS[stack](environments(parts=parts))
    venv.reset()
    policy = RandomActions(venv.action_space, 0)
    played = Demonstrations.from_rollouts(policy, venv, 2)
    for i, episode in enumerate(played):
        seen = episode.observations["a"] if parts else episode.observations
        assert seen.tolist() == EXPECTED[i]
        assert not parts or (-episode.observations["b"] == seen).all()
        assert episode.rewards.tolist() == list(range(1, LENGTHS[i] + 1))
        assert not episode.terminal


def test_a_stack_is_left_as_it_was_also_by_an_error():
    class Failing(Remembering):
        def predict(self, *args, **kwargs):
            if len(self.noted) == 2:
                raise ZeroDivisionError
            return super().predict(*args, **kwargs)

    for policy in (Remembering(), Failing()):
        normalize = VecNormalize(environments())
        venv = VecMonitor(normalize)
        inner, count = normalize.venv, normalize.obs_rms.count
        try:
            evaluate_returns(policy, venv, 2)
        except ZeroDivisionError:
            assert isinstance(policy, Failing)
        assert normalize.venv is inner
        assert normalize.training
        assert normalize.obs_rms.count == count


def test_a_fresh_vec_normalize_takes_the_statistics_of_the_training():
    class Noting:
        def __init__(self, model):
            self.gen_algo, self.noted = model, []

        def predict(self, observation, *args, **kwargs):
            self.noted.append(observation)
            return self.gen_algo.predict(observation, *args, **kwargs)

    trained = VecNormalize(environments())
    model = small_ppo(trained, n_steps=8, batch_size=8).learn(16)
    noting, fresh = Noting(model), VecNormalize(environments())
    evaluate_returns(noting, fresh, 2)
    expected = trained.normalize_obs(np.array([[0, 0, 0], [1, 0, 0]], np.float32))
    np.testing.assert_allclose(noting.noted[0], expected)
    assert fresh.obs_rms.count < 1


def test_what_is_normalised_otherwise_than_in_training_is_refused():
    normalised = small_ppo(VecNormalize(environments()))
    with pytest.raises(ValueError, match="trained on observations of a VecNormalize and `venv` gi"):
        evaluate_returns(normalised, environments(), 2)
    with pytest.raises(ValueError, match="the policy was trained on raw ones"):
        evaluate_returns(small_ppo(environments()), VecNormalize(environments()), 2)
    only_rewards = VecNormalize(environments(), norm_obs=False)
    assert evaluate_returns(small_ppo(only_rewards), environments(), 2).mean == 10.5


# ---------------------------------------------------------------------- what is accepted, refused


def test_a_single_environment_is_accepted():
    assert evaluate_returns(Remembering(), Count(), 3).returns.tolist() == [10.0] * 3
    assert len(Demonstrations.from_rollouts(Remembering(), Count(), 2)) == 2
    batch = gym.vector.SyncVectorEnv([Count] * 2)
    assert evaluate_returns(Remembering(), batch, 2).returns.tolist() == [10.0] * 2


def test_a_learned_reward_is_not_taken_for_the_tasks():
    paid = VecNormalize(RewardVecEnv(environments(), lambda transitions: np.ones(2, np.float32)))
    for run in (evaluate_returns, Demonstrations.from_rollouts):
        with pytest.raises(ValueError, match="`venv` pays a learned reward"):
            run(Remembering(), paid, 2)


def test_environments_that_do_not_keep_the_last_observation_are_named():
    class Forgetful(VecMonitor):
        def step_wait(self):
            observations, rewards, dones, infos = super().step_wait()
            return observations, rewards, dones, [{} for _ in infos]

    with pytest.raises(ValueError, match=r'give no info."terminal_observation"'):
        evaluate_returns(Remembering(), Forgetful(environments()), 2)


def test_bad_numbers_and_endless_episodes_are_refused(monkeypatch):
    for bad in (4.0, 0, -1, None):
        with pytest.raises(ValueError, match="`n_episodes` must be a whole number of at least 1"):
            Demonstrations.from_rollouts(Remembering(), environments(), bad)
    assert len(Demonstrations.from_rollouts(Remembering(), environments(), np.int64(2))) == 2
    monkeypatch.setattr(rollouts, "MAX_STEPS", 50)
    with pytest.raises(ValueError, match="not ended after 50 steps; give the environment a time"):
        evaluate_returns(Remembering(), Count(length=10**9), 1)
    with pytest.raises(ValueError, match="`every` must be at least 1 frame, got 0"):
        record_video("Count-v3", None, "video.gif", every=0)


def test_actions_of_another_shape_are_named():
    with pytest.raises(ValueError, match=r"gave actions of shape \(2, 3\) for 2 environments"):
        evaluate_returns(Remembering(np.zeros(3)), environments(), 2)


def test_steps_go_on_for_as_long_as_they_are_asked_for():
    with closing(steps(Remembering(), environments())) as played:
        dones = [step.dones.tolist() for step in islice(played, 6)]
    assert dones == [[t % 3 == 2, t == 4] for t in range(6)]


def test_a_video_shows_what_was_before_each_step_and_random_actions_without_a_policy(tmp_path):
    import imageio.v2 as imageio

    path = record_video("Count", None, tmp_path / "a.gif", 0.8, every=2)
    brightness = [frame[0, 0, 0] for frame in imageio.mimread(path)]
    assert brightness == [0, 20, 0, 20]  # of episodes with four steps


def test_off_policy_training_is_not_disturbed_by_a_refused_evaluation(demos):
    from sb3_vdb import GAIL

    venv = make_vec_env("sb3_vdb/CMaze-v0", 2)
    model = SAC("MlpPolicy", venv, buffer_size=100, policy_kwargs={"net_arch": [4]}, device="cpu")
    trainer = GAIL(demos, venv, model, demo_batch_size=8, **PLAIN)
    for run in (trainer.evaluate, trainer.prepare_eval_env):
        with pytest.raises(ValueError, match="pays a learned reward"):
            run(trainer.venv)
    assert trainer.reward_venv.n_collected == 0


def test_no_other_file_runs_a_policy():
    """Calls of ``predict`` stand in ``acting.py``, and where a ``predict`` hands on to another."""
    for name, path in MODULES.items():
        source = path.read_text()
        if name == "sb3_vdb.acting" or ".predict(" not in source:
            continue
        functions = [node for node in ast.walk(ast.parse(source)) if hasattr(node, "args")]
        for function in functions:
            calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
            if any(getattr(each.func, "attr", "") == "predict" for each in calls):
                assert getattr(function, "name", "predict") == "predict", name


# ---------------------------------------------------------------------- trainers in any stack


class Noise:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.random.default_rng(0).uniform(-1, 1, (len(observation), 2)), None


@pytest.mark.parametrize("stack", STACKS)
def test_an_adversarial_trainer_works_in_any_stack(stack):
    from stable_baselines3.common.callbacks import EvalCallback

    from sb3_vdb import GAIL

    make = lambda: STACKS[stack](environments(box=True))  # noqa: E731
    venv = make()
    demos = Demonstrations.from_rollouts(Noise(), environments(box=True), 4)
    model = small_ppo(venv, n_steps=8, batch_size=16)
    trainer = GAIL(demos, venv, model, demo_batch_size=4, n_disc_updates_per_round=1, **PLAIN)
    assert trainer.discriminator.observation_space.shape == (3,)
    judge = EvalCallback(trainer.prepare_eval_env(make()), eval_freq=8, verbose=0, warn=False)
    trainer.learn(32, judge)
    assert judge.last_mean_reward == pytest.approx(10.5, rel=0.7 if "monitor" in stack else 10)
    result = trainer.evaluate(make(), 2)
    assert result.returns.tolist() == [6.0, 15.0]
    assert result.episodes[1].observations.tolist() == EXPECTED[1]


def test_density_of_stacked_observations_is_refused_above_a_vec_normalize():
    from sb3_vdb import AIRL

    demos = Demonstrations.from_rollouts(Noise(), environments(box=True), 4)
    venv = VecFrameStack(VecNormalize(environments(box=True)), 2)
    with pytest.raises(ValueError, match="has a VecFrameStack above a VecNormalize, and AIRL"):
        AIRL(demos, venv, small_ppo(venv), demo_batch_size=4)


def test_a_masked_generator_trains_predicts_and_is_evaluated():
    from sb3_vdb import GAIL

    venv = environments()
    demos = Demonstrations.from_rollouts(Remembering(), environments(), 4)
    model = MaskablePPO("MlpPolicy", venv, n_steps=8, batch_size=16, device="cpu")
    trainer = GAIL(demos, venv, model, demo_batch_size=4, n_disc_updates_per_round=1, **PLAIN)
    trainer.learn(16)
    observation, allowed = np.zeros((2, 3), np.float32), np.array([[0, 0, 1, 0], [0, 1, 0, 0]])
    actions, _ = trainer.predict(observation, action_masks=allowed.astype(bool))
    assert actions.tolist() == [2, 1]
    played = Demonstrations.from_rollouts(trainer, environments(), 2)
    assert played[0].actions.tolist() == [0, 1, 2]
    assert trainer.evaluate(environments(), 2).episodes[0].actions.tolist() == [0, 1, 2]


def test_a_trainer_takes_single_environments(demos):
    from sb3_vdb import GAIL

    venv = make_vec_env("sb3_vdb/CMaze-v0", 2)
    trainer = GAIL(demos, venv, small_ppo(venv, n_steps=16), demo_batch_size=8, **PLAIN)
    single = gym.make("sb3_vdb/CMaze-v0")
    assert len(trainer.evaluate(single, 1).returns) == 1
    assert trainer.prepare_eval_env(single).num_envs == 1
    assert trainer.recovered_reward().wrap(single).num_envs == 1


def test_pictures_are_turned_for_the_generator():
    """SB3 puts channels first; demonstrations have them last, as the environment."""
    from sb3_vdb import GAIL
    from sb3_vdb.networks import ConvTrunk
    from tests.vmail.small import Dot

    venv = DummyVecEnv([Dot, Dot])
    demos = Demonstrations.from_rollouts(Noise(), DummyVecEnv([Dot, Dot]), 4)
    extractor = {"features_extractor_class": FlattenExtractor, "net_arch": []}
    model = small_ppo(venv, policy_kwargs=extractor, n_steps=8, batch_size=16)
    assert model.observation_space.shape == (3, 16, 16)
    kwargs = {"trunk_class": ConvTrunk}
    trainer = GAIL(demos, venv, model, demo_batch_size=4, discriminator_kwargs=kwargs, **PLAIN)
    trainer.learn(16)
    assert trainer.evaluate(Dot(), 1).episodes[0].observations.shape == (13, 16, 16, 3)
