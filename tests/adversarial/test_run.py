"""Every algorithm on every generator, and how the circle is closed."""

import warnings

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb import VAIL, NonFiniteError, TrainerCheckpoint, make_vec_env
from sb3_vdb.discriminators import GAILDiscriminator
from tests.adversarial.generators import ALGORITHMS, GENERATORS, OFF_POLICY, ON_POLICY, make_trainer
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
    assert trainer.n_disc_updates == 3 * trainer.n_rounds
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
        {"relabel_rollouts": False},
        {"input_noise_std": 0.1, "hidden_noise_std": 0.1},
        {"discriminator_kwargs": {"net_arch": [8], "code_dim": 3, "activation_fn": th.nn.Tanh}},
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
            relabel_rollouts=relabel,
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


def test_old_checkpoints_make_room(demos, tmp_path):
    trainer = make_trainer("GAIL", "PPO", demos)
    trainer.learn(500, callback=TrainerCheckpoint(trainer, tmp_path, every_n_rounds=1, keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint_300.zip",
        "checkpoint_400.zip",
    ]


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
    encode = trainer.features.encode
    trainer.features.encode = lambda transitions, *rest: (
        seen.append(transitions),
        encode(transitions, *rest),
    )[1]
    trainer.learn(200)
    for transitions in seen:
        assert (transitions.observations >= venv.observation_space.low - 1e-6).all()
        assert (transitions.observations <= venv.observation_space.high + 1e-6).all()
    assert trainer.gen_algo.get_vec_normalize_env() is venv
    assert venv.ret_rms.count > 100


def test_the_discriminator_learns_to_tell_a_fixed_expert_from_the_generator(demos):
    trainer = make_trainer(
        "GAIL", "PPO", demos, disc_learning_rate=3e-3, n_disc_updates_per_round=60
    )
    trainer.learn(300)
    batch = trainer._expert_batch
    logits = trainer.discriminator(batch, sample=False).logits_expert_is_high
    assert (logits > 0).float().mean() > 0.6


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_discriminators_update_leaves_the_policy_alone_and_vice_versa(algorithm, demos):
    trainer = make_trainer(algorithm, "PPO", demos)
    policy = parameters(trainer.policy)
    encoded = trainer._encode(demos.transitions())
    trainer.train_discriminator(encoded)
    th.testing.assert_close(parameters(trainer.policy), policy, atol=0, rtol=0)
    assert all(each.grad is None for each in trainer.policy.parameters())
    discriminator = parameters(trainer.discriminator)
    trainer.reward(demos.transitions())
    th.testing.assert_close(parameters(trainer.discriminator), discriminator, atol=0, rtol=0)


def test_a_loss_that_is_no_number_stops_with_its_name_after_saving(demos, tmp_path, monkeypatch):
    trainer = make_trainer("VAIL", "PPO", demos, log_dir=str(tmp_path))
    trainer.learn(100)
    good = parameters(trainer.discriminator)
    forward = GAILDiscriminator.forward

    def broken(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        return output._replace(kl=output.kl * float("nan"))

    monkeypatch.setattr(GAILDiscriminator, "forward", broken)
    with pytest.raises(
        NonFiniteError, match=r"`bottleneck` is not finite.*saved to .*vail_stopped_at_200.zip"
    ):
        trainer.learn(200, reset_num_timesteps=False)
    monkeypatch.undo()
    loaded = VAIL.load(tmp_path / "vail_stopped_at_200.zip", make_vec_env(MAZE, 2))
    th.testing.assert_close(parameters(loaded.discriminator), good, atol=0, rtol=0)


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
    assert set(OFF_POLICY) == {"SAC", "TD3", "TQC"}
