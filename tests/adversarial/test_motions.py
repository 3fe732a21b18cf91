"""Adversarial imitation of a motion clip: what is seen of it, what a fall pays, what is logged."""

import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium.wrappers import TimeAwareObservation
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb import GAIL, VAIL, Demonstrations, make_vec_env
from sb3_vdb.adversarial import preset
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.networks import PhaseTrunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import Difference, Join, Vector, View

RUN = "sb3_vdb/HumanoidRun-v0"
N_STATE = 197


def make_trainer(kind=VAIL, env_kwargs=None, demonstrations=None, **changes):
    env_kwargs = env_kwargs or {}
    venv = make_vec_env(RUN, 8, seed=3, env_kwargs={**env_kwargs, "threads": 1})
    with_parts = "drift" in env_kwargs
    generator = DeepMimicPPO(
        "MultiInputPolicy" if with_parts else "MlpPolicy",
        venv,
        n_steps=8,
        batch_size=32,
        n_epochs=1,
        policy_kwargs={"net_arch": [8]}
        | ({"features_extractor_kwargs": {"key": "state"}} if with_parts else {}),
        seed=0,
        device="cpu",
    )
    demonstrations = demonstrations or Demonstrations.from_mocap(RUN, env_kwargs=env_kwargs)
    arguments = {"demo_batch_size": 32, "n_disc_updates_per_round": 2, "seed": 0, "device": "cpu"}
    return kind(demonstrations, venv, generator, **(arguments | changes))


def seen_of_expert(trainer):
    batch = trainer.discriminator.encode(trainer.demonstrations.transitions())
    return batch.next_observations.vectors


@pytest.mark.parametrize("env_kwargs", [{}, {"drift": True}])
def test_the_defaults_see_the_difference_after_the_step_and_the_expert_is_near_zero(env_kwargs):
    trainer = make_trainer(env_kwargs=env_kwargs)
    view = trainer.discriminator.view
    assert view.sees == ("next_observations",)
    expert = seen_of_expert(trainer)
    assert expert.shape == (384, N_STATE - 1 + 5 * len(env_kwargs))
    trainer.learn(64)
    assert (
        trainer.discriminator.normalized(
            trainer.discriminator.encode(trainer.demonstrations.transitions()).next_observations
        )
        .vectors.norm(dim=1)
        .mean()
        < 0.05 * expert.shape[1] ** 0.5
    )
    assert trainer.relabels  # a whole rollout is paid by the fresh discriminator
    assert np.isfinite(trainer.reward(trainer.demonstrations.transitions())).all()


def test_another_view_takes_the_place_of_the_demonstrations():
    view = View(Vector(columns=(1, 2)), sees=("observations", "next_observations"))
    trainer = make_trainer(discriminator_kwargs={"view": view})
    assert trainer.discriminator.view.sees == view.sees
    assert trainer.demonstrations[:1].view is trainer.demonstrations.view


def test_a_saved_trainer_sees_the_same_motion(tmp_path):
    trainer = make_trainer(env_kwargs={"drift": True}, **preset("fast-motions"))
    trainer.learn(64)
    path = trainer.save(tmp_path / "vail")
    venv = make_vec_env(RUN, 8, seed=3, env_kwargs={"drift": True, "threads": 1})
    again = VAIL.load(path, venv)
    transitions = trainer.demonstrations.transitions()
    np.testing.assert_array_equal(again.reward(transitions), trainer.reward(transitions))
    motion = again.discriminator.observation_view.views[0]
    assert isinstance(motion, Difference)
    assert motion.motion.shape == (1024, N_STATE)
    assert again.settings.terminal_reward == 0.0


def test_two_halves_with_a_file_between_are_one_training(tmp_path):
    arguments = {"env_kwargs": {"drift": True}, **preset("fast-motions")}
    whole = make_trainer(**arguments)
    whole.learn(256)
    half = make_trainer(**arguments)
    half.learn(128)
    path = half.save(tmp_path / "half")
    venv = make_vec_env(RUN, 8, seed=99, env_kwargs={"drift": True, "threads": 1})
    again = VAIL.load(path, venv).learn(128, reset_num_timesteps=False)
    for name, weight in whole.policy.state_dict().items():
        th.testing.assert_close(again.policy.state_dict()[name], weight, atol=0, rtol=0)


def test_the_step_of_a_fall_pays_nothing_and_others_what_the_discriminator_says():
    trainer = make_trainer(terminal_reward=0.0)
    states = trainer.demonstrations.transitions()
    terminated = np.arange(states.n_steps) % 3 == 0
    rewards = trainer.reward(Transitions(*states[:3], terminated))
    assert (rewards[terminated] == 0.0).all()
    assert (rewards[~terminated] > 0.1).all()
    usual = make_trainer().reward(Transitions(*states[:3], terminated))
    assert (usual > 0.1).all()


def test_a_round_logs_quantiles_accuracies_and_the_rank_correlation(tmp_path):
    trainer = make_trainer(log_dir=tmp_path)
    trainer.learn(64)
    header, row, *_ = (tmp_path / "progress.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    low, middle, high = (float(values[f"reward/q{q}"]) for q in (10, 50, 90))
    assert low <= middle <= high
    assert -1.0 <= float(values["reward/task_rank_correlation"]) <= 1.0
    for name in ("mean_code_acc_expert", "mean_code_acc_gen"):
        assert 0.0 <= float(values[f"discriminator/{name}"]) <= 1.0


def test_a_phase_functioned_discriminator_learns_without_a_trace_or_a_warning():
    state = Vector(columns=tuple(range(1, N_STATE)))
    view = View(Join((state, Vector(columns=(0,), normalize=False))), sees=("next_observations",))
    kwargs = {"view": view, "trunk_class": PhaseTrunk}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = make_trainer(GAIL, discriminator_kwargs=kwargs, grad_penalty_coef=1.0)
        before = [each.detach().clone() for each in trainer.discriminator.parameters()]
        trainer.learn(64)
    after = list(trainer.discriminator.parameters())
    assert all(bool(th.isfinite(each).all()) for each in after)
    assert any(not th.equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize("value", ["0", np.nan, True])
def test_a_reward_of_falls_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="`terminal_reward` must be a finite number"):
        make_trainer(terminal_reward=value)


def test_demonstrations_of_another_form_than_the_environments_are_refused():
    with pytest.raises(ValueError, match=r"part|parts"):
        make_trainer(env_kwargs={"drift": True}, demonstrations=Demonstrations.from_mocap(RUN))


def test_amps_form_learns_by_least_squares_and_pays_its_own_reward(tmp_path):
    view = View(Vector(columns=(1, 2, 3)), sees=("observations", "next_observations"))
    trainer = make_trainer(
        GAIL,
        discriminator_kwargs={"view": view},
        disc_loss="least_squares",
        disc_learning_rate=3e-3,
        n_disc_updates_per_round=100,
        log_dir=tmp_path,
    )
    assert trainer.reward_type == "least_squares"
    trainer.learn(64)
    rewards = trainer.reward(trainer.demonstrations.transitions())
    assert (rewards >= 0.0).all()
    assert (rewards <= 1.0).all()
    assert rewards.mean() > 0.75  # d = 1 pays 1, d = 0 pays 3/4
    again = GAIL.load(trainer.save(tmp_path / "amp"))
    assert again.reward_type == "least_squares"


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (GAIL, {"disc_loss": "hinge"}, "`disc_loss` must be one of cross_entropy, least_squares"),
        (GAIL, {"reward_type": "least_squares"}, "`reward_type` must be one of gail"),
        (
            GAIL,
            {"disc_loss": "least_squares", "reward_type": "gail"},
            "`reward_type` must be one of least_squares, got 'gail'",
        ),
    ],
)
def test_losses_and_rewards_that_do_not_fit_are_refused(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(kind, **arguments)


def test_any_environment_that_tells_the_time_can_be_seen_by_differences():
    """A pendulum whose observation ends with the time; one demonstrated swing."""
    make = partial(TimeAwareObservation, gym.make("Pendulum-v1"))
    venv = DummyVecEnv([make])
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=32, n_epochs=1, seed=0, device="cpu")
    demonstrations = Demonstrations.from_rollouts(model, venv, 1)
    swing = demonstrations[0].observations
    view = View(Difference.to_cycle(swing, clock=3, loops=False), sees=("next_observations",))
    trainer = VAIL(
        demonstrations,
        venv,
        model,
        demo_batch_size=32,
        n_disc_updates_per_round=2,
        seed=0,
        device="cpu",
        discriminator_kwargs={"view": view},
    )
    assert seen_of_expert(trainer).shape == (200, 3)
    assert seen_of_expert(trainer).abs().max() < 0.2  # the nearest of 1,024 phases
    trainer.learn(64)
