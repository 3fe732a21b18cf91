"""What is refused before training, by name and with the remedy."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb import AIRL, GAIL, VAIL, VAIRL, Demonstrations, View, make_vec_env
from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.views import Vector
from tests.adversarial.generators import make_generator, make_trainer
from tests.conftest import MAZE


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        ("VAIL", {"information_limit": 0.0}, "`information_limit` must be positive"),
        ("VAIRL", {"information_limit": -0.5}, "`information_limit` must be positive"),
        ("GAIL", {"information_limit": 0.5}, "GAIL has no bottleneck; use VAIL"),
        ("VAIL", {"beta": -0.1}, "`beta` must not be negative"),
        ("VAIL", {"beta_step_size": -1.0}, "`beta_step_size`"),
        ("VAIL", {"constraint": "rarely"}, "`constraint`"),
        ("GAIL", {"beta": 0.2}, "`beta` is 0.2, but GAIL has no bottleneck; use VAIL"),
        ("AIRL", {"constraint": "pointwise"}, "AIRL has no bottleneck; use VAIRL"),
        ("VAIL", {"discriminator_kwargs": {"code_dim": None}}, "`code_dim` must be positive"),
        ("GAIL", {"demo_batch_size": 0.5}, "`demo_batch_size` must be a whole number"),
        ("GAIL", {"seed": []}, "`seed` must be a whole number from 0 on"),
        ("GAIL", {"gen_train_timesteps": "1"}, "`gen_train_timesteps` must be a whole number"),
        ("GAIL", {"relabel": 2}, "`relabel` must be one of True, False, None"),
        ("GAIL", {"grad_penalty_coef": None}, "`grad_penalty_coef` must be a finite number"),
        ("GAIL", {"hidden_noise_std": []}, "`hidden_noise_std` must be a finite number from 0"),
        ("VAIL", {"beta": "much"}, "`beta` must not be negative"),
        ("VAIL", {"information_limit": []}, "`information_limit` must be positive"),
        ("GAIL", {"demo_batch_size": 0}, "`demo_batch_size` must be a whole number from 1 on"),
        (
            "GAIL",
            {"demo_batch_size": 101},
            "`demo_batch_size` is 101, but a round of the generator has only 100",
        ),
        ("GAIL", {"n_disc_updates_per_round": 0}, "`n_disc_updates_per_round`"),
        ("GAIL", {"disc_learning_rate": 0.0}, "`disc_learning_rate`"),
        (
            "GAIL",
            {"disc_learning_rate": lambda left: left},
            "`disc_learning_rate` must be a number",
        ),
        (
            "GAIL",
            {"discriminator_kwargs": {"trunk_kwargs": {"net_arch": {"pi": [8]}}}},
            "`net_arch` must be a list",
        ),
        ("GAIL", {"grad_penalty_coef": -1.0}, "`grad_penalty_coef`"),
        ("GAIL", {"grad_penalty_on": "generator"}, "`grad_penalty_on`"),
        ("GAIL", {"grad_penalty_target": "loss"}, "`grad_penalty_target`"),
        (
            "GAIL",
            {"reward_type": "g"},
            "`reward_type` must be one of gail, log_d, probability, logit",
        ),
        ("AIRL", {"reward_type": "gail"}, "`reward_type` must be one of g, f, logit"),
        ("GAIL", {"reward_scaling": "max"}, "`reward_scaling`"),
        ("GAIL", {"normalize_inputs": "batch"}, "`normalize_inputs`"),
        ("GAIL", {"input_noise_std": -0.1}, "`input_noise_std`"),
        (
            "GAIL",
            {"gen_train_timesteps": 7},
            "`gen_train_timesteps` is 7, but a round of the on-policy PPO",
        ),
        ("GAIL", {"discriminator_kwargs": {"code_dim": 4}}, "no entry `code_dim`"),
        (
            "AIRL",
            {"discriminator_kwargs": {"view": View(sees=("observations", "next_observations"))}},
            "`view` sees observations, next_observations, but g of an AIRL type",
        ),
        ("VAIL", {"discriminator_kwargs": {"trunk_kwargs": {"net_arch": []}}}, "`net_arch`"),
        ("GAIL", {"discriminator_kwargs": {"net_arch": [8]}}, "no entry `net_arch`"),
        ("VAIL", {"discriminator_kwargs": {"code_dim": 0}}, "`code_dim`"),
    ],
)
def test_arguments_out_of_range(algorithm, settings, message, demos):
    with pytest.raises(ValueError, match=message):
        make_trainer(algorithm, "PPO", demos, **settings)


def test_a_batch_larger_than_the_demonstrations_repeats_them_with_one_warning(demos):
    short = Demonstrations.from_arrays([demos[0].observations[:11]], [demos[0].actions[:10]])
    with pytest.warns(UserWarning, match="demonstrations have 10 transitions.* repeats") as said:
        trainer = make_trainer("GAIL", "PPO", short, demo_batch_size=25, trace_updates=False)
    assert len([each for each in said if "repeats" in str(each.message)]) == 1
    trainer.learn(100)
    counts = np.bincount(trainer.rounds.expert_sampler.sample(25), minlength=10)
    assert set(counts) <= {1, 2, 3, 4}  # evenly, over batches as well
    assert trainer.n_rounds == 1


def test_demonstrations_of_another_observation_space():
    other = Demonstrations.from_arrays([np.zeros((30, 3))], [np.zeros((29, 2))])
    with pytest.raises(ValueError, match=r"trajectory 0: each observation has shape \(3,\)"):
        make_trainer("GAIL", "PPO", other)


def test_demonstrations_of_another_action_space():
    other = Demonstrations.from_arrays([np.zeros((30, 2))], [np.zeros((29, 5))])
    with pytest.raises(ValueError, match=r"each action has shape \(5,\)"):
        make_trainer("GAIL", "PPO", other)


@pytest.mark.parametrize("algorithm", [GAIL, VAIL, AIRL, VAIRL])
def test_demonstrations_without_actions(algorithm, demos):
    silent = Demonstrations.from_arrays([each.observations for each in demos])
    venv = make_vec_env(MAZE, 2)
    arguments = {"demo_batch_size": 20}
    with pytest.raises(ValueError, match="have no actions"):
        algorithm(silent, venv, make_generator("PPO", venv), **arguments)
    if algorithm in (GAIL, VAIL):
        states = algorithm(
            silent,
            venv,
            make_generator("PPO", venv),
            discriminator_kwargs={"view": View(sees=("observations",))},
            **arguments,
        )
        states.learn(100)


def test_a_generator_for_another_number_of_environments(demos):
    model = make_generator("PPO", make_vec_env(MAZE, 3))
    with pytest.raises(ValueError, match="made for 3 environments and `venv` has 2"):
        GAIL(demos, make_vec_env(MAZE, 2), model, demo_batch_size=20)


def test_a_generator_for_other_spaces(demos):
    model = PPO("MlpPolicy", make_vec_env("Pendulum-v1", 2), device="cpu")
    with pytest.raises(ValueError, match="`gen_algo` has observation_space"):
        GAIL(demos, make_vec_env(MAZE, 2), model, demo_batch_size=20)


@pytest.mark.parametrize("algorithm", ["AIRL", "VAIRL"])
def test_a_generator_without_a_density_under_airl(algorithm, demos):
    with pytest.raises(
        ValueError, match=r"TD3 with a TD3Policy, which gives no density.*PPO, A2C, TRPO"
    ):
        make_trainer(algorithm, "TD3", demos)


def test_a_recurrent_generator_under_airl_is_refused(demos):
    from sb3_contrib import RecurrentPPO

    venv = make_vec_env(MAZE, 2)
    model = RecurrentPPO("MlpLstmPolicy", venv, n_steps=50, batch_size=50, device="cpu")
    with pytest.raises(ValueError, match="RecurrentPPO"):
        AIRL(demos, venv, model, demo_batch_size=20)


def test_relabelling_that_is_impossible_is_refused(demos):
    with pytest.raises(ValueError, match=r"`relabel` is True, which needs.*VecNormalize"):
        make_trainer("GAIL", "PPO", demos, relabel=True, venv=VecNormalize(make_vec_env(MAZE, 2)))


def test_nothing_is_written_or_wrapped_when_an_argument_is_refused(demos, tmp_path):
    venv = VecNormalize(make_vec_env(MAZE, 2))
    inner = venv.venv
    with pytest.raises(ValueError, match="reward_type"):
        make_trainer(
            "GAIL", "PPO", demos, venv=venv, reward_type="g", log_dir=str(tmp_path / "logs")
        )
    assert venv.venv is inner
    assert not (tmp_path / "logs").exists()


def test_pictures_need_a_trunk_that_takes_them():
    images = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=r"is an image.*trunk_class=ConvTrunk"):
        GAILDiscriminator(images, gym.spaces.Discrete(2), view=View(Vector()))
    with pytest.raises(ValueError, match=r"takes vectors.*ConvTrunk"):
        GAILDiscriminator(images, gym.spaces.Discrete(2))


def test_arguments_of_another_kind(demos):
    venv = make_vec_env(MAZE, 2)
    model = make_generator("PPO", venv)
    env = gym.make(MAZE)
    for arguments, message in (
        ((demos, env, model), "`venv` must be an SB3 VecEnv, got "),
        ((demos, MAZE, model), "`venv` must be an SB3 VecEnv, got str"),
        (
            (demos, venv, "MlpPolicy"),
            "`gen_algo` must be an SB3 algorithm made with `venv`, got str",
        ),
        (("demos.npz", venv, model), "`trajectories` must be a list of Trajectory objects, got"),
        (([(1, 2)], venv, model), "trajectory 0 is a tuple"),
    ):
        with pytest.raises(ValueError, match=message):
            GAIL(*arguments, demo_batch_size=20)
    for model_and_venv, message in (((model, MAZE), "SB3 environments"), ((None, venv), "predict")):
        with pytest.raises(ValueError, match=message):
            Demonstrations.from_rollouts(*model_and_venv, 2)


def test_a_run_that_cannot_be_is_refused(demos):
    trainer = make_trainer("GAIL", "PPO", demos)
    for bad in (-1, 2.5, "100"):
        with pytest.raises(ValueError, match="`total_timesteps` must be a whole number"):
            trainer.learn(bad)
    with pytest.raises(ValueError, match="`log_interval` must be a whole number from 1 on, got 0"):
        trainer.learn(100, log_interval=0)


def test_the_log_of_an_earlier_run_is_put_aside(demos, tmp_path):
    (tmp_path / "progress.csv").write_text("a,b\n1,2\n")
    for number in (1, 2):
        with pytest.warns(UserWarning, match=f"is now earlier_{number}_progress.csv"):
            make_trainer("GAIL", "PPO", demos, log_dir=tmp_path)
        (tmp_path / "progress.csv").write_text(f"{number}")
    assert (tmp_path / "earlier_1_progress.csv").read_text() == "a,b\n1,2\n"
    assert (tmp_path / "earlier_2_progress.csv").read_text() == "1"
