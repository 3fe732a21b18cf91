"""Features extractors of SB3 policies: what they take, and how statistics are learned."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import A2C, PPO, SAC

from sb3_vdb import BoundsExtractor, PartsExtractor
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.extractors import RunningNormExtractor
from tests.spaces import make_venv

NORMAL = {"features_extractor_class": RunningNormExtractor}
FAR = spaces.Box(90.0, 110.0, (3,))


def make_ppo(**kwargs):
    settings = {"n_steps": 16, "batch_size": 8, "n_epochs": 3, "device": "cpu", "seed": 0}
    return PPO("MlpPolicy", make_venv(observations=FAR), policy_kwargs=NORMAL, **settings, **kwargs)


def test_ppo_learns_the_statistics_of_its_rollouts_between_updates():
    """A sample counts once an epoch; the ratio is one at the first minibatch."""
    model = make_ppo()
    rows = []

    def keep(local, _):
        rows.extend(local["obs_tensor"].numpy())
        return True

    model.n_epochs, model.batch_size = 1, 32
    model.learn(64, callback=keep)
    assert model.logger.name_to_value["train/clip_fraction"] == 0.0
    assert abs(model.logger.name_to_value["train/approx_kl"]) < 1e-6
    model.n_epochs, model.batch_size = 3, 8
    model.learn(32, callback=keep, reset_num_timesteps=False)
    model.policy.set_training_mode(False)
    extractor = model.policy.features_extractor
    weights = np.repeat([1, 1, 3], 32)
    mean = np.average(rows, axis=0, weights=weights)
    variance = np.average((np.array(rows) - mean) ** 2, axis=0, weights=weights)
    assert extractor.running_count == weights.sum()
    np.testing.assert_allclose(extractor.running_mean, mean, rtol=1e-4)
    np.testing.assert_allclose(extractor.running_var, variance, rtol=1e-3)


def test_evaluating_changes_no_statistics_and_files_keep_them(tmp_path):
    model = make_ppo().learn(32)
    model.save(tmp_path / "model.zip")  # before the policy has left its training mode
    loaded = PPO.load(tmp_path / "model.zip", device="cpu")
    observations = np.random.default_rng(0).uniform(90, 110, (5, 3)).astype(np.float32)
    expected, _ = model.predict(observations, deterministic=True)
    for each in (model, loaded):
        np.testing.assert_array_equal(each.predict(observations, deterministic=True)[0], expected)
        assert each.policy.features_extractor.running_count == 3 * 32


@pytest.mark.parametrize("kind", [A2C, SAC])
def test_other_algorithms_learn_them_too_and_their_targets_follow(kind):
    settings = {"learning_starts": 5, "batch_size": 8} if kind is SAC else {}
    venv = make_venv(observations=FAR, n_envs=1)
    model = kind("MlpPolicy", venv, policy_kwargs=NORMAL, device="cpu", seed=0, **settings)
    model.learn(40)
    model.policy.set_training_mode(False)
    policy = model.policy
    networks = (policy,) if kind is A2C else (policy.actor, policy.critic, policy.critic_target)
    for network in networks:
        assert (network.features_extractor.running_mean - 100.0).abs().max() < 6.0


def test_rows_that_fill_up_sequences_do_not_count():
    extractor = RunningNormExtractor(FAR).train()
    extractor(th.cat([th.full((4, 3), 100.0), th.zeros(6, 3)]))
    assert extractor.eval().running_mean.tolist() == [100.0] * 3
    with th.no_grad():
        extractor.train()(th.ones(5, 3))
    assert extractor.eval().running_count == 4


@pytest.mark.parametrize(
    "observations",
    [
        spaces.Box(-1.0, 1.0, (3,), np.float64),
        spaces.Box(-1.0, 1.0, (3, 2)),
        spaces.Discrete(4),
        spaces.MultiDiscrete([3, 2]),
        spaces.MultiBinary(3),
    ],
)
def test_deepmimic_takes_observations_of_any_flat_space(observations):
    model = DeepMimicPPO(
        env=make_venv(observations=observations), n_steps=8, batch_size=8, device="cpu"
    ).learn(32)
    extractor = model.policy.features_extractor
    assert extractor.running_count == 32
    if isinstance(observations, spaces.Discrete):  # one-hot
        assert extractor.running_mean.sum() == pytest.approx(1.0)


def test_deepmimic_reads_one_part_and_acts_alike_where_there_is_no_other(tmp_path):
    both = spaces.Dict(state=spaces.Box(-1.0, 1.0, (3,)), other=spaces.Box(-1.0, 1.0, (2,)))
    model = DeepMimicPPO(
        "MultiInputPolicy",
        make_venv(observations=both),
        n_steps=8,
        batch_size=8,
        policy_kwargs={"features_extractor_kwargs": {"key": "state"}, "net_arch": [8]},
        device="cpu",
    ).learn(32)
    assert model.policy.features_extractor.running_count == 32
    rows = {name: np.stack([part.sample() for _ in range(5)]) for name, part in both.items()}
    actions, _ = model.predict(rows, deterministic=True)
    others = {**rows, "other": -rows["other"]}
    np.testing.assert_array_equal(model.predict(others, deterministic=True)[0], actions)
    alone = model.policy.of_part("state")
    np.testing.assert_array_equal(alone.predict(rows["state"], deterministic=True)[0], actions)
    with pytest.raises(ValueError, match="reads part 'state', not 'other'"):
        model.policy.of_part("other")
    model.save(tmp_path / "model")
    again = DeepMimicPPO.load(tmp_path / "model", make_venv(observations=both), device="cpu")
    np.testing.assert_array_equal(again.predict(rows, deterministic=True)[0], actions)
    again.learn(32)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"actions": spaces.Discrete(3)}, "DeepMimicPPO needs continuous actions"),
        ({"observations": spaces.Dict(a=FAR)}, r"has the parts a; name one.*key='a'"),
    ],
)
def test_spaces_that_deepmimic_cannot_learn_in_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DeepMimicPPO(env=make_venv(**kwargs), device="cpu")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RunningNormExtractor(FAR, std_floor=0.0), "`std_floor` must be a positive"),
        (lambda: RunningNormExtractor(FAR, clip=float("nan")), "`clip` must be a positive"),
        (lambda: RunningNormExtractor(FAR, n_samples=0), "`n_samples` must be a whole"),
        (lambda: RunningNormExtractor(spaces.Dict(a=FAR)), "takes one vector"),
        (lambda: RunningNormExtractor(spaces.Dict(a=FAR), key="b"), "`key` 'b'"),
        (lambda: RunningNormExtractor(FAR, key="a"), "`key` 'a'"),
        (lambda: BoundsExtractor(spaces.Discrete(3)), "BoundsExtractor takes .* one Box"),
        (lambda: PartsExtractor(FAR, ("a",)), "PartsExtractor takes a Dict"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
