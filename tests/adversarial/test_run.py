"""Every algorithm on every generator, and how the circle is closed."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb import (
    GAIL,
    VAIL,
    Demonstrations,
    NonFiniteError,
    RewardVecEnv,
    TrainerCheckpoint,
    make_vec_env,
)
from sb3_vdb.adversarial import objective
from sb3_vdb.adversarial.densities import action_log_prob
from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.transitions import Transitions
from sb3_vdb.vdb import bottleneck_loss, gradient_penalty, losses
from tests.adversarial.generators import (
    ALGORITHMS,
    GENERATORS,
    ON_POLICY,
    make_generator,
    make_trainer,
)
from tests.conftest import MAZE


def parameters(module):
    return th.nn.utils.parameters_to_vector(module.parameters()).detach().clone()


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_runs_on_every_generator(algorithm, generator, demos):
    if generator == "TD3" and algorithm.endswith("AIRL"):
        with pytest.raises(ValueError, match="density"):
            make_trainer(algorithm, generator, demos)
        return
    trainer = make_trainer(algorithm, generator, demos, grad_penalty_coef=0.1)
    before = parameters(trainer.discriminator), parameters(trainer.policy)
    assert trainer.learn(200) is trainer
    assert trainer.num_timesteps == 200
    assert trainer.n_rounds == (2 if generator in ON_POLICY else 3)
    assert trainer.rounds.learner.n_updates == 3 * trainer.n_rounds
    assert (parameters(trainer.discriminator) != before[0]).any()
    assert (parameters(trainer.policy) != before[1]).any()
    assert (trainer.dual is not None) == algorithm.startswith("V")
    actions, _ = trainer.predict(make_vec_env(MAZE, 3).reset(), deterministic=True)
    assert actions.shape == (3, 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"grad_penalty_coef": 1.0, "grad_penalty_on": "both"},
        {"grad_penalty_coef": 1.0, "grad_penalty_target": "probabilities"},
        {"grad_penalty_coef": 1.0, "grad_penalty_target": "terms"},
        {"beta": 0.0, "beta_step_size": 0.0},
        {"constraint": "pointwise"},
        {"normalize_inputs": "bounds"},
        {"normalize_inputs": "none"},
        {"reward_scaling": "std"},
        {"reward_scaling": "mean_std"},
        {"relabel": False},
        {"input_noise_std": 0.1, "hidden_noise_std": 0.1},
        {
            "discriminator_kwargs": {
                "trunk_kwargs": {"net_arch": [8], "activation_fn": th.nn.Tanh},
                "code_dim": 3,
            }
        },
    ],
)
@pytest.mark.parametrize("algorithm", ["VAIL", "VAIRL"])
def test_every_option_runs(algorithm, settings, demos):
    trainer = make_trainer(algorithm, "PPO", demos, **settings)
    before = parameters(trainer.discriminator)
    trainer.learn(100)
    assert (parameters(trainer.discriminator) != before).any()


REWARDS = [
    ("VAIL", "gail"),
    ("VAIL", "log_d"),
    ("VAIL", "logit"),
    ("VAIRL", "g"),
    ("VAIRL", "f"),
    ("VAIRL", "logit"),
]


@pytest.mark.parametrize(("algorithm", "reward_type"), REWARDS)
def test_paying_at_once_equals_paying_step_by_step(algorithm, reward_type, demos):
    """A discriminator that does not move pays equal rewards, returns and advantages on both ways.

    The episode ends at step 100 of 150, so the value of its last observation is in the rewards.
    """
    buffers = []
    for relabel in (True, False):
        trainer = make_trainer(
            algorithm,
            "PPO",
            demos,
            reward_type=reward_type,
            relabel=relabel,
            disc_learning_rate=1e-12,
            normalize_inputs="none",
            gen_kwargs={"n_steps": 150},
        )
        assert trainer.relabels == relabel
        trainer.learn(300)
        buffers.append(trainer.gen_algo.rollout_buffer)
    np.testing.assert_array_equal(buffers[0].observations, buffers[1].observations)
    for name in ("rewards", "returns", "advantages"):
        first, second = getattr(buffers[0], name), getattr(buffers[1], name)
        assert np.abs(first).max() > 0
        np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_rollout_is_paid_by_the_discriminator_that_has_just_learned_from_it(demos):
    trainer = make_trainer("VAIRL", "PPO", demos)
    rollouts = []

    class Watch(BaseCallback):
        def _on_rollout_end(self):
            buffer = self.model.rollout_buffer
            rollouts.append((buffer.observations.reshape(-1, 2), buffer.rewards.reshape(-1)))

        def _on_step(self):
            return True

    trainer.learn(100, callback=Watch())
    observations, rewards = rollouts[0]  # one rollout of 50 steps: no episode ends in it
    np.testing.assert_allclose(
        rewards, trainer.recovered_reward("g").of_states(observations), atol=1e-6
    )


def test_the_learning_rate_schedule_covers_the_whole_run(demos):
    rates = []

    class Watch(BaseCallback):
        def _on_rollout_start(self):
            rates.append(self.model.policy.optimizer.param_groups[0]["lr"])

        def _on_step(self):
            return True

    trainer = make_trainer(
        "GAIL", "PPO", demos, gen_kwargs={"learning_rate": lambda left: 1e-3 * left}
    )
    trainer.learn(400, callback=Watch())
    # before its first update the optimiser has the initial rate; update k has 1 - k/4 left
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])


def test_the_generators_learn_is_called_once(demos, monkeypatch):
    trainer = make_trainer("VAIL", "PPO", demos)
    calls = []
    learn = trainer.gen_algo.learn
    monkeypatch.setattr(
        trainer.gen_algo, "learn", lambda *a, **k: (calls.append(a), learn(*a, **k))[1]
    )
    trainer.learn(500)
    assert len(calls) == 1
    assert trainer.n_rounds == 5


@pytest.mark.parametrize("stop", [False, np.bool_(False), th.tensor(False)])
def test_a_callback_can_stop_training(stop, demos):
    trainer = make_trainer("GAIL", "PPO", demos)
    trainer.learn(1000, callback=lambda *_: stop)
    assert trainer.num_timesteps == 2


@pytest.mark.parametrize("normalize", [False, True])
def test_sb3_callbacks_and_several_of_them_work(normalize, demos, tmp_path):
    wrap = VecNormalize if normalize else lambda venv: venv
    trainer = make_trainer("VAIL", "PPO", demos, venv=wrap(make_vec_env(MAZE, 2, seed=0)))
    evaluation = EvalCallback(
        trainer.prepare_eval_env(wrap(make_vec_env(MAZE, 1, seed=1))),
        eval_freq=50,
        n_eval_episodes=1,
        log_path=str(tmp_path),
        verbose=0,
    )
    checkpoints = TrainerCheckpoint(trainer, tmp_path / "c", every_n_rounds=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.learn(200, callback=[evaluation, checkpoints])
    assert len(evaluation.evaluations_timesteps) == 2
    assert evaluation.last_mean_reward < 0 or normalize
    assert len(list((tmp_path / "c").glob("checkpoint_*.zip"))) == 1


def test_old_checkpoints_make_room_and_those_of_others_stay(demos, tmp_path):
    for name in ("checkpoint_900.zip", "checkpoint_best.zip"):
        (tmp_path / name).touch()
    trainer = make_trainer("GAIL", "PPO", demos)
    trainer.learn(500, callback=TrainerCheckpoint(trainer, tmp_path, every_n_rounds=1, keep=2))
    found = sorted(path.stem.removeprefix("checkpoint_") for path in tmp_path.iterdir())
    assert found == ["300", "400", "900", "best"]


def test_everything_that_matters_is_logged(demos, tmp_path):
    trainer = make_trainer("VAIL", "PPO", demos, grad_penalty_coef=1.0, log_dir=str(tmp_path))
    trainer.learn(400)
    header = (tmp_path / "progress.csv").read_text().splitlines()[0].split(",")
    discriminator = """loss_expert loss_generator loss_bottleneck gradient_penalty accuracy_expert
        accuracy_generator entropy kl beta information_limit learning_rate n_updates"""
    expected = {f"discriminator/{name}" for name in discriminator.split()}
    expected |= {"reward/mean", "reward/std", "train/learning_rate", "train/entropy_loss"}
    expected |= {"rollout/ep_learned_rew_mean", "rollout/ep_rew_mean"}
    assert expected <= set(header)
    assert all(len(name) <= 36 for name in header)
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_same_seed_same_run(demos):
    runs = [parameters(make_trainer("VAIRL", "PPO", demos).learn(300).policy) for _ in range(2)]
    th.testing.assert_close(*runs, atol=0, rtol=0)


@pytest.mark.parametrize("algorithm", ["VAIL", "VAIRL"])
def test_under_vec_normalize_the_discriminator_sees_raw_observations(algorithm, demos):
    venv = VecNormalize(make_vec_env(MAZE, 2, seed=0))
    trainer = make_trainer(algorithm, "PPO", demos, venv=venv)
    assert (
        not trainer.relabels
    )  # VecNormalize scales the learned reward, so it has to be paid step by step
    seen = []
    encode = trainer.discriminator.encode
    trainer.discriminator.encode = lambda transitions: (
        seen.append(transitions),
        encode(transitions),
    )[1]
    trainer.learn(200)
    for transitions in seen:
        assert (transitions.observations >= venv.observation_space.low - 1e-6).all()
        assert (transitions.observations <= venv.observation_space.high + 1e-6).all()
    # the user's wrapper is left alone, and shares its statistics with the trainer's copy
    assert not isinstance(venv.venv, RewardVecEnv)
    assert trainer.gen_algo.get_vec_normalize_env().obs_rms is venv.obs_rms
    assert venv.ret_rms.count > 100


def test_the_discriminator_learns_to_tell_expert_from_generator(demos):
    trainer = make_trainer(
        "GAIL", "PPO", demos, disc_learning_rate=3e-3, n_disc_updates_per_round=100
    )
    still = Transitions(  # a generator that stands still at the start
        np.full((100, 2), [0.3, 0.0], np.float32),
        np.zeros((100, 2), np.float32),
        np.full((100, 2), [0.3, 0.0], np.float32),
        np.zeros(100, bool),
    )
    for _ in range(3):
        metrics, at_mean = trainer.rounds.train_discriminator(trainer.rounds.encode(still))
    assert metrics.accuracy_expert[-1] > 0.9
    assert metrics.accuracy_generator[-1] > 0.9
    assert min(at_mean) > 0.9
    assert trainer.reward(still).mean() < trainer.reward(demos.transitions()).mean()


def test_the_penalty_is_taken_at_expert_samples_unless_both_are_asked_for(demos, monkeypatch):
    seen = []

    def spy(outputs, inputs, kind="zero_centered"):
        seen.append((outputs[0].detach(), inputs[0].detach()))
        return gradient_penalty(outputs, inputs)

    monkeypatch.setattr(objective, "gradient_penalty", spy)
    for side, size in (("expert", 20), ("both", 40)):
        settings = {"grad_penalty_coef": 1.0, "grad_penalty_on": side, "trace_updates": False}
        trainer = make_trainer("GAIL", "PPO", demos, **settings)
        trainer.learn(100)
        outputs, inputs = seen[-1]
        assert len(outputs) == size
        assert len(inputs) == 40
        # the experts come first: their inputs are those of the demonstrations
        known = trainer.discriminator.inputs(trainer.rounds.expert_batch).vectors
        assert th.cdist(inputs[:20], known).min(dim=1).values.max() < 1e-3


def test_beta_is_updated_after_the_step_that_used_it(demos, monkeypatch):
    used = []

    def spy(kl, beta, limit):
        used.append(beta)
        return bottleneck_loss(kl, beta, limit)

    monkeypatch.setattr(losses, "bottleneck_loss", spy)
    trainer = make_trainer("VAIL", "PPO", demos, beta=0.3, beta_step_size=0.1, trace_updates=False)
    trainer.learn(100)
    used = [float(each) for each in used]
    assert used[0] == pytest.approx(0.3)
    assert len(set(used)) == 3
    assert trainer.dual.beta not in used


def test_airl_asks_a_normalised_policy_with_normalised_observations(demos):
    venv = VecNormalize(make_vec_env(MAZE, 2, seed=0))
    trainer = make_trainer("AIRL", "PPO", demos, venv=venv)
    trainer.learn(200)
    data = demos.transitions().take(np.arange(30))
    normalised = th.as_tensor(venv.normalize_obs(data.observations)).float()
    with th.no_grad():
        expected = action_log_prob(trainer.policy, normalised, th.as_tensor(data.actions))
    th.testing.assert_close(trainer.rounds.encode(data).log_probs, expected)


def random_demos(env_id, n=3):
    venv = make_vec_env(env_id, n, seed=9)
    venv.action_space.seed(0)

    class Random:
        def predict(self, observation, **_):
            return np.stack([venv.action_space.sample() for _ in observation]), None

    return Demonstrations.from_rollouts(Random(), venv, n)


class ManyButtons(gym.Env):
    """Five steps; discrete observations; several buttons at once."""

    observation_space = gym.spaces.Discrete(6)
    render_mode = None

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return 0, {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.count += 1
        return self.count, 1.0, self.count == 5, False, {}


@pytest.fixture(params=["multi_binary", "multi_discrete", "matrix"])
def buttons(request):
    space = {
        "multi_binary": gym.spaces.MultiBinary(3),
        "multi_discrete": gym.spaces.MultiDiscrete([2, 4]),
        "matrix": gym.spaces.Box(-1, 1, (2, 2), np.float32),
    }[request.param]
    if ENV_ID in gym.registry:
        del gym.registry[ENV_ID]
    gym.register(ENV_ID, entry_point=lambda: ManyButtons(space))
    return ENV_ID


ENV_ID = "tests/ManyButtons-v0"


@pytest.mark.parametrize("algorithm", ["VAIL", "VAIRL"])
def test_discrete_and_shaped_spaces_work(algorithm, buttons):
    demos = random_demos(buttons, 6)
    trainer = make_trainer(algorithm, "PPO", demos, venv=make_vec_env(buttons, 2, seed=0))
    trainer.learn(200)
    assert trainer.n_rounds == 2


@pytest.mark.parametrize("algorithm", ["GAIL", "AIRL"])
def test_cartpole_with_discrete_actions_works(algorithm):
    demos = random_demos("CartPole-v1", 6)
    venv = make_vec_env("CartPole-v1", 2, seed=0)
    make_trainer(algorithm, "PPO", demos, venv=venv).learn(300)


def test_gail_works_on_dqn():
    from stable_baselines3 import DQN

    venv = make_vec_env("CartPole-v1", 1, seed=0)
    model = DQN("MlpPolicy", venv, learning_starts=20, buffer_size=500, device="cpu")
    trainer = GAIL(
        random_demos("CartPole-v1", 6), venv, model, demo_batch_size=20, gen_train_timesteps=60
    )
    assert trainer.learn(200).n_rounds == 3


def test_an_algorithm_with_a_rollout_of_its_own_is_paid_step_by_step(demos):
    from sb3_contrib import RecurrentPPO

    venv = make_vec_env(MAZE, 2)
    model = RecurrentPPO("MlpLstmPolicy", venv, n_steps=50, batch_size=50, device="cpu")
    trainer = GAIL(demos, venv, model, demo_batch_size=20)
    assert not trainer.relabels
    trainer.learn(200)


@pytest.mark.parametrize("generator", ["PPO", "SAC"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_stopped_run_can_go_on(generator, reset, demos):
    trainer = make_trainer("GAIL", generator, demos)

    class Stop(BaseCallback):
        def _on_step(self):
            return self.num_timesteps < 130  # in the middle of a rollout

    trainer.learn(1000, callback=Stop())
    assert trainer.num_timesteps == 130
    trainer.learn(300, reset_num_timesteps=reset)
    assert trainer.num_timesteps >= 300


def test_a_file_saved_within_a_rollout_can_go_on(demos, tmp_path):
    trainer = make_trainer("GAIL", "PPO", demos)

    class Save(BaseCallback):
        def _on_step(self):
            if self.num_timesteps == 130:
                trainer.save(tmp_path / "middle.zip")
            return True

    trainer.learn(200, callback=Save())
    loaded = GAIL.load(tmp_path / "middle", make_vec_env(MAZE, 2))
    loaded.learn(200, reset_num_timesteps=False)
    assert loaded.num_timesteps >= 330


@pytest.mark.parametrize("relabel", [True, False])
def test_the_logged_learned_return_is_what_was_paid(relabel, demos, tmp_path):
    trainer = make_trainer(
        "GAIL",
        "PPO",
        demos,
        relabel=relabel,
        log_dir=str(tmp_path),
        n_disc_updates_per_round=1,
    )
    paid = []

    class Watch(BaseCallback):
        def _on_rollout_end(self):
            paid.append(self.model.rollout_buffer.rewards.copy())

        def _on_step(self):
            return True

    # two rollouts of 50 steps make the episodes of 100 steps of two mazes
    trainer.learn(200, callback=Watch())
    logged = read_curve(tmp_path, "rollout/ep_learned_rew_mean")["value"].to_numpy()
    rewards = np.concatenate(paid)
    with th.no_grad():  # the last reward holds the value of the episode's last observation too
        rewards[-1] = rewards[-2]
    assert logged[-1] == pytest.approx(rewards.sum(axis=0).mean(), rel=0.05)


def test_the_progress_bar_works(demos):
    make_trainer("GAIL", "PPO", demos).learn(200, progress_bar=True)


def test_trajectories_are_taken_for_demonstrations(demos):
    assert make_trainer("GAIL", "PPO", list(demos)).demonstrations.n_steps == demos.n_steps


def test_shifting_the_reward_of_tasks_that_end_early_is_warned_of():
    venv = make_vec_env("CartPole-v1", 2, seed=0)
    trainer = make_trainer(
        "GAIL", "PPO", random_demos("CartPole-v1", 6), venv=venv, reward_scaling="mean_std"
    )
    with pytest.warns(UserWarning, match="can end early"):
        trainer.learn(200)


def test_evaluation_uses_the_statistics_of_the_training(demos):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecNormalize(make_vec_env(MAZE, 2, seed=0)))
    trainer.learn(200)
    for refuse in (trainer.evaluate, trainer.prepare_eval_env):
        with pytest.raises(ValueError, match="`venv` must be a VecNormalize"):
            refuse(make_vec_env(MAZE, 1))
    venv = VecNormalize(make_vec_env(MAZE, 1), training=False)
    trainer.evaluate(venv, 1)
    np.testing.assert_array_equal(venv.obs_rms.mean, trainer.venv.obs_rms.mean)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_discriminators_update_leaves_the_policy_alone_and_vice_versa(algorithm, demos):
    trainer = make_trainer(algorithm, "PPO", demos)
    policy = parameters(trainer.policy)
    encoded = trainer.rounds.encode(demos.transitions())
    trainer.rounds.train_discriminator(encoded)
    th.testing.assert_close(parameters(trainer.policy), policy, atol=0, rtol=0)
    assert all(each.grad is None for each in trainer.policy.parameters())
    discriminator = parameters(trainer.discriminator)
    trainer.reward(demos.transitions())
    th.testing.assert_close(parameters(trainer.discriminator), discriminator, atol=0, rtol=0)


def broken_forward(self, *args, **kwargs):
    output = GAILDiscriminator.plain_forward(self, *args, **kwargs)
    return output._replace(kl=output.kl * float("nan"))


def broken_gradient(self, *args, **kwargs):
    output = GAILDiscriminator.plain_forward(self, *args, **kwargs)
    logits = output.logits_expert_is_high
    if logits.requires_grad:
        logits.register_hook(lambda gradient: gradient * float("inf"))
    return output


def broken_reward(self, batch, reward_type):
    return batch.terminated * float("nan")


FAULTS = {
    "loss term `bottleneck`": ("forward", broken_forward),
    "gradient of the discriminator's": ("forward", broken_gradient),
    "learned reward `gail`": ("reward", broken_reward),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("relabel", [True, False])
def test_what_is_no_number_stops_with_its_name_after_saving(
    what, relabel, demos, tmp_path, monkeypatch
):
    settings = {"relabel": relabel, "trace_updates": False}
    trainer = make_trainer("VAIL", "PPO", demos, log_dir=tmp_path, **settings)
    trainer.learn(100)
    method, fault = FAULTS[what]
    monkeypatch.setattr(
        GAILDiscriminator, "plain_forward", GAILDiscriminator.forward, raising=False
    )
    monkeypatch.setattr(GAILDiscriminator, method, fault)
    with pytest.raises(NonFiniteError, match=r"is not finite.*saved to .*vail_stopped_at_") as info:
        trainer.learn(200, reset_num_timesteps=False)
    assert what in str(info.value) or "learned reward is not finite" in str(info.value)
    monkeypatch.undo()
    (path,) = tmp_path.glob("vail_stopped_at_*.zip")
    loaded = VAIL.load(path, make_vec_env(MAZE, 2))
    assert th.isfinite(parameters(loaded.discriminator)).all()
    loaded.learn(100, reset_num_timesteps=False)


@pytest.mark.parametrize("generator", ["PPO", "SAC"])
def test_a_policy_that_is_no_number_stops_with_its_name_after_saving(generator, demos, tmp_path):
    trainer = make_trainer("VAIL", generator, demos, log_dir=tmp_path)

    class Break(BaseCallback):
        def _on_rollout_end(self):
            if self.num_timesteps == 200:
                with th.no_grad():
                    next(iter(self.model.policy.parameters())).fill_(float("nan"))

        def _on_step(self):
            return True

    with pytest.raises(NonFiniteError, match=f"the policy's weight `.*` of {generator} is not"):
        trainer.learn(400, callback=Break())
    (path,) = tmp_path.glob("vail_stopped_at_*.zip")
    loaded = VAIL.load(path, make_vec_env(MAZE, 2))
    assert th.isfinite(parameters(loaded.policy)).all()


@pytest.mark.parametrize("at", [20, 100])
def test_a_weight_that_breaks_in_the_first_round_is_not_saved(at, demos, tmp_path):
    trainer = make_trainer("GAIL", "PPO", demos, log_dir=tmp_path)

    def break_it(local, _):
        if local["self"].num_timesteps == at:
            with th.no_grad():
                local["self"].policy.action_net.bias[0] = float("inf")
        return True

    with pytest.raises(NonFiniteError, match=r"weight `action_net\.bias` of PPO is not finite"):
        trainer.learn(100, callback=break_it)
    (path,) = tmp_path.glob("gail_stopped_at_*.zip")
    GAIL.load(path, make_vec_env(MAZE, 2)).learn(100, reset_num_timesteps=False)


def test_what_sac_learns_outside_its_networks_is_restored_too(demos, tmp_path):
    """An infinite mean makes the entropy coefficient NaN, which is no part of the policy."""
    trainer = make_trainer("VAIL", "SAC", demos, log_dir=tmp_path).learn(120)

    def break_it(local, _):
        if local["self"].num_timesteps == 160:
            with th.no_grad():
                local["self"].actor.mu.bias[0] = float("inf")
        return True

    with pytest.raises(NonFiniteError, match="of SAC is not finite"):
        trainer.learn(120, callback=break_it, reset_num_timesteps=False)
    assert trainer.gen_algo.log_ent_coef.isfinite().all()
    (path,) = tmp_path.glob("vail_stopped_at_*.zip")
    VAIL.load(path, make_vec_env(MAZE, 2)).learn(120, reset_num_timesteps=False)


def test_a_policy_that_breaks_in_its_last_update_is_named(demos, tmp_path, monkeypatch):
    """No round follows in which it would be found."""
    trainer = make_trainer("GAIL", "PPO", demos, log_dir=tmp_path)
    monkeypatch.setattr(
        trainer.gen_algo, "train", lambda: trainer.policy.action_net.bias.data.fill_(float("nan"))
    )
    with pytest.raises(NonFiniteError, match=r"weight `action_net\.bias` of PPO is not finite"):
        trainer.learn(100)
    assert th.isfinite(parameters(trainer.policy)).all()


def test_a_policy_that_is_no_number_from_the_start_is_refused(demos, tmp_path):
    trainer = make_trainer("GAIL", "PPO", demos, log_dir=tmp_path)
    next(iter(trainer.policy.parameters())).data.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="is not finite; load an earlier checkpoint"):
        trainer.learn(100)
    assert trainer.num_timesteps == 0
    assert not list(tmp_path.glob("*.zip"))


def test_other_errors_are_passed_on(demos):
    trainer = make_trainer("VAIL", "PPO", demos)

    def fail(*_):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        trainer.learn(100, callback=fail)


def test_evaluation_counts_true_and_learned_returns(demos):
    trainer = make_trainer("VAIL", "PPO", demos)
    trainer.learn(100)
    result = trainer.evaluate(make_vec_env(MAZE, 3, seed=1), 6)
    assert result.returns.shape == result.learned_returns.shape == result.lengths.shape == (6,)
    assert result.mean < 0 < result.learned_mean
    expected = trainer.reward(result.episodes[2:3].transitions()).sum()
    assert result.learned_returns[2] == pytest.approx(expected, rel=1e-5)
    assert 0 <= result.success_rate <= 1


def test_off_policy_rounds_are_counted_in_environment_steps(demos):
    trainer = make_trainer("GAIL", "SAC", demos, gen_train_timesteps=100)
    trainer.learn(500)
    assert trainer.n_rounds == 5


def test_rounds_suit_the_kind_of_generator(demos):
    """An off-policy generator learns at every step, so that rounds have to be short."""
    venv = make_vec_env(MAZE, 2)
    for generator, n_updates, n_steps in (("PPO", 16, 100), ("SAC", 64, 256)):
        trainer = GAIL(
            demos, venv, make_generator(generator, venv), demo_batch_size=20, device="cpu"
        )
        assert trainer.settings.n_disc_updates_per_round == n_updates
        assert trainer.gen_train_timesteps == n_steps


def test_two_trainers_on_one_vec_normalize_keep_to_their_own_rewards(demos):
    venv = VecNormalize(make_vec_env(MAZE, 2, seed=0), norm_reward=False)
    first = make_trainer("GAIL", "PPO", demos, venv=venv, reward_type="gail")
    make_trainer("GAIL", "PPO", demos, venv=venv, reward_type="log_d")
    first.learn(100)
    assert (first.gen_algo.rollout_buffer.rewards > 0).all()
    assert first.evaluate(venv, 2).mean < -3  # the task's return, from the user's own environments
