"""What V-MAIL refuses before it trains."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecNormalize,
)

from sb3_vdb import VMAIL, Demonstrations
from sb3_vdb.vmail import preset
from tests.vmail.small import (
    POLICIES,
    Dot,
    make_demonstrations,
    make_model,
)

KINDS = tuple(POLICIES)


def test_a_preset_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="paper, authors-code, strong, laptop"):
        preset("papr")


def test_a_schedule_out_of_range_is_refused():
    model = make_model(expert_fraction=lambda progress: 3.0)
    with pytest.raises(ValueError, match=r"its schedule gave 3\.0"):
        model.learn_offline(1)


def test_calls_that_mix_the_two_interfaces_are_refused():
    model = make_model()
    with pytest.raises(ValueError, match="is a tuple"):
        model.predict(Dot().reset(seed=0))
    with pytest.raises(ValueError, match="`env` is None"):
        VMAIL("CnnPolicy", None, make_demonstrations())


def test_numpys_numbers_are_taken():
    model = make_model("vectors", learning_rate=np.float32(0.25), seed=np.int64(3))
    assert (model.learning_rate, model.seed) == (0.25, 3)
    model.learn_offline(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number from 1 on, got 0"),
        ({"horizon": 0}, "`horizon`"),
        ({"gamma": 1.5}, "`gamma` must be between 0 and 1, got 1.5"),
        ({"expert_fraction": -0.1}, "`expert_fraction`"),
        ({"kl_balance": 2.0}, "`kl_balance`"),
        ({"free_nats": -1.0}, "`free_nats` must be a finite number from 0 on"),
        ({"reward_type": "d"}, "`reward_type` must be one of gail, log_d, probability"),
        ({"returns": "td"}, "`returns` must be one of lambda, sum"),
        (
            {"gradient_penalty": "logits"},
            "`gradient_penalty` must be one of one_centered, one_",
        ),
        ({"batch_size": 2.5}, "`batch_size` must be a whole number from 1 on, got 2.5"),
        ({"seed": 1.5}, "`seed` must be a whole number from 0 on, got 1.5"),
        ({"seed": 2**32}, "`seed` must be at most 4294967295, got 4294967296"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a finite number from 0 on, got -1.0"),
        ({"actor_learning_rate": np.nan}, "`actor_learning_rate` must be a finite"),
        ({"buffer_size": 4}, "`buffer_size` 4 does not hold one sequence of `sequence_length` 5"),
        ({"sequence_length": 1}, "`sequence_length` must be at least 2"),
        ({"sequence_length": 14}, "13 observations, fewer than `sequence_length` 14"),
        ({"information_limit": 0.5}, "a bottleneck needs both"),
        ({"policy_kwargs": {"code_dim": 3}}, "a bottleneck needs both"),
        ({"n_imagined": 0}, "`n_imagined`"),
        ({"actor_decay": 1.0}, "`actor_decay` must be at least 0 and below 1, got 1.0"),
        ({"n_reconstructed": 0}, "`n_reconstructed`"),
        ({"max_grad_norm": -1.0}, "`max_grad_norm` must be a positive number"),
        ({"gradient_steps": -5}, "`gradient_steps`"),
        ({"gradient_steps": 1.5}, "`gradient_steps` must be a whole number"),
        ({"ent_coef": None}, "`ent_coef` must be a finite number from 0 on, got None"),
        ({"train_freq": (1, "epoch")}, "`train_freq` must be a number of steps"),
        ({"train_freq": 0}, "`train_freq` must be a number of steps"),
        ({"burn_in": 4}, "`burn_in` 4 leaves nothing of sequences of 5"),
        ({"horizon": 1, "drop_last_reward": True}, "`horizon` must be at least 2"),
        ({"engine": "jit"}, "`engine` must be one of"),
        ({"engine": "cuda_graph"}, 'needs `device` "cuda"'),
        ({"replay_place": "tape"}, "`replay_place` must be one of"),
        ({"buffer_size": 10**15}, "lower `buffer_size`"),
        ({"policy_kwargs": {"latent": "beta"}}, "`latent`"),
        ({"policy_kwargs": {"units": 0}}, "`units` must be at least 1"),
        ({"policy_kwargs": {"init_std": 0.0}}, "`init_std` must be positive"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make_model(**settings)


def change(**fields):
    """Demonstrations with other fields in their first trajectory."""
    from dataclasses import replace

    demos = list(make_demonstrations())
    return [replace(demos[0], **fields), *demos[1:]]


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (change(actions=np.full((12, 2), 1.5, np.float32)), r"action .* at step 0 lies outside"),
        (change(actions=np.zeros((12, 3), np.float32)), r"action has shape \(3,\)"),
        (
            change(observations=np.zeros((13, 32, 32, 3), np.uint8)),
            r"pictures of shape \(32, 32, 3\), the environment of \(16, 16, 3\); make the",
        ),
    ],
    ids=["range", "shape", "size"],
)
def test_demonstrations_that_do_not_fit_are_refused(trajectories, message):
    with pytest.raises(ValueError, match=message):
        make_model(demonstrations=Demonstrations(trajectories))


def test_pictures_of_another_type_are_refused():
    demos = [
        type(each)(each.observations.astype(np.float32), each.actions)
        for each in make_demonstrations()
    ]
    with pytest.raises(ValueError, match="pictures of dtype float32"):
        make_model(demonstrations=Demonstrations(demos))


def test_demonstrations_without_actions_are_refused_with_what_learns_from_them():
    demos = Demonstrations([type(each)(each.observations) for each in make_demonstrations()])
    with pytest.raises(ValueError, match="have no actions"):
        make_model(demonstrations=demos)


def test_demonstrations_of_another_action_repeat_are_refused():
    demos = [replace(each, action_repeat=2) for each in make_demonstrations()]
    message = "trajectory 0: an action lasted 2 frames, in the environment it lasts 3; make the"
    with pytest.raises(ValueError, match=message):
        make_model(demonstrations=Demonstrations(demos))
    model = make_model(demonstrations=make_demonstrations())
    with pytest.raises(ValueError, match="action_repeat=2"):
        model.set_demonstrations(Demonstrations(demos))


def test_demonstrations_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"observations \['observation'\], the environment"):
        make_model("both", demonstrations=make_demonstrations("pixels"))
    with pytest.raises(ValueError, match="must be Demonstrations, got str"):
        VMAIL("CnnPolicy", Dot(), "demos.npz")


def test_normalised_environments_are_refused():
    venv = VecNormalize(DummyVecEnv([lambda: Dot("vectors")]))
    with pytest.raises(ValueError, match="VecNormalize"):
        make_model("vectors", env=venv)


def test_discrete_actions_are_refused_with_the_reason():
    class Buttons(Dot):
        def __init__(self):
            super().__init__()
            self.action_space = gym.spaces.Discrete(3)

    with pytest.raises(ValueError, match="continuous actions"):
        make_model(env=Buttons())
