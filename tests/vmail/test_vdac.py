"""VDAC: V-MAIL's world model as a representation, actor and critics on stored transitions."""

import inspect

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_vdb import VDAC, VMAIL, make_vec_env
from sb3_vdb.vmail import preset, vdac_losses
from sb3_vdb.vmail.policies import NETWORKS
from sb3_vdb.vmail.update import Update, UpdateSettings
from sb3_vdb.vmail.vdac import CnnPolicy
from sb3_vdb.vmail.vdac import MlpPolicy as VectorPolicy
from sb3_vdb.vmail.vdac_losses import TwinQ, VDACLosses
from tests.vmail.small import (
    ACTION,
    LOSS_SETTINGS,
    MAZE,
    PICTURE,
    POLICIES,
    SIZES,
    Dot,
    make_demonstrations,
    make_maze_model,
    make_model,
    make_replay,
)

POLICY, EXPERT = (make_replay(seed=seed).sample(3, share) for seed, share in ((0, 0.0), (1, 1.0)))


def make_losses(**changes) -> VDACLosses:
    th.manual_seed(0)
    policy = CnnPolicy(PICTURE, ACTION, lambda _: 1e-3, **SIZES)
    return VDACLosses(policy, LOSS_SETTINGS._replace(**changes))


def test_two_critics_have_weights_of_their_own():
    critics = TwinQ(5, 2, 8, 1)
    values = critics(th.zeros(4, 3, 5), th.zeros(4, 3, 2))
    assert values.shape == (2, 4, 3)
    assert not th.equal(values[0], values[1])


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_it_learns_acts_and_is_loaded(kind, tmp_path):
    model = make_model(kind, algorithm=VDAC).learn(20)
    assert model._n_updates == 3
    assert all(bool(th.isfinite(each).all()) for each in model.policy.parameters())
    evaluate_policy(model, Dot(kind), n_eval_episodes=1, warn=False)
    model.save(tmp_path / "model")
    loaded = VDAC.load(tmp_path / "model", device="cpu")
    observation, _ = Dot(kind).reset(seed=5)
    expected, _ = model.predict(observation, deterministic=True)
    found, _ = loaded.predict(observation, deterministic=True)
    assert np.array_equal(found, expected)


def test_a_run_in_two_parts_equals_one_run(tmp_path):
    whole = make_maze_model(algorithm=VDAC)
    whole.learn(28)
    whole.learn(28, reset_num_timesteps=False)
    first = make_maze_model(algorithm=VDAC).learn(28)
    first.save(tmp_path / "model.zip")
    first.save_replay_buffer(tmp_path / "replay.npz")
    second = VDAC.load(tmp_path / "model.zip", env=make_vec_env(MAZE, 2, seed=8), device="cpu")
    second.load_replay_buffer(tmp_path / "replay.npz")
    second.learn(28, reset_num_timesteps=False)
    for name, value in whole.policy.state_dict().items():
        assert th.equal(value, second.policy.state_dict()[name]), name


def test_gradients_of_each_loss_reach_its_own_network_alone():
    losses = make_losses()
    update = Update(losses, UpdateSettings(100.0, 1.0, 1))
    gradients, _ = update.gradients(POLICY, EXPERT, th.tensor(0.1))
    for name, own in zip(NETWORKS, gradients, strict=True):
        assert all(each is not None for each in own), name
    _, *others = losses(POLICY, EXPERT, th.tensor(0.1)).by_network()
    assert len(others) == 3
    for loss in others:
        parameters = list(losses.policy.world_model.parameters())
        assert all(
            each is None
            for each in th.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        )


def test_targets_are_rewards_and_the_smaller_of_two_slow_values():
    losses = make_losses(reward_type="logit", gamma=0.9)
    policy = losses.policy
    with th.no_grad():
        for i, net in enumerate(policy.value_target.nets):
            net[-1].weight.zero_()
            net[-1].bias.fill_(3.0 + i)
    feat, actions = th.randn(4, 3, policy.world_model.feat_dim), th.randn(4, 3, 2)
    inputs = th.cat([feat, actions], dim=-1)
    rewards, targets = losses.targets(inputs, feat, actions)
    logits = policy.discriminator(inputs.flatten(0, 1))[0].unflatten(0, (4, 3))
    assert th.equal(rewards, logits)
    assert th.allclose(targets, logits + 0.9 * 3.0)


def test_the_discriminator_compares_the_policys_sequences_with_the_experts(monkeypatch):
    seen, adversarial_loss = {}, vdac_losses.adversarial_loss

    def compared(discriminator, expert, policy, *others):
        seen.update(expert=expert, policy=policy)
        return adversarial_loss(discriminator, expert, policy, *others)

    monkeypatch.setattr(vdac_losses, "adversarial_loss", compared)
    make_losses()(POLICY, EXPERT, th.tensor(0.1))
    for name, batch in (("expert", EXPERT), ("policy", POLICY)):
        assert th.equal(seen[name][..., -2:], batch.actions[1:]), name
        assert not seen[name].requires_grad


def test_half_of_what_it_samples_is_the_experts():
    model = make_model("vectors", algorithm=VDAC, batch_size=7, learning_starts=1000)
    model.learn(30)
    policy, expert = model.sample_batches()
    assert (policy.actions.shape[1], expert.actions.shape[1]) == (4, 3)
    stored = model.replay_buffer.policy.rows["actions"]
    assert all((stored == each).all(dim=1).any() for each in policy.actions.flatten(0, 1))
    with pytest.raises(ValueError, match=r"`batch_size` of VDAC must be at least 2, .*got 1"):
        make_model("vectors", algorithm=VDAC, batch_size=1)


def test_the_slow_target_is_slow_by_itself_and_presets_fit():
    assert inspect.signature(VDAC).parameters["tau"].default == 0.005
    assert make_model("vectors", algorithm=VDAC).tau == 0.005
    assert make_model("vectors", algorithm=VDAC, tau=0.1).tau == 0.1
    sizes = {**preset("laptop"), "policy_kwargs": {}, "horizon": 2, "gradient_steps": 1}
    sizes |= {"batch_size": 3, "sequence_length": 8, "train_freq": 10}
    model = make_model("vectors", algorithm=VDAC, **sizes)
    model.learn(20)
    assert isinstance(model, VMAIL)


def test_a_file_of_vmail_is_not_one_of_vdac(tmp_path):
    make_model("vectors").save(tmp_path / "model")
    with pytest.raises(ValueError, match="load a file with the class that saved it"):
        VDAC.load(tmp_path / "model", device="cpu")
    with pytest.raises(ValueError, match="policy with a Value, this one has a TwinQ"):
        VMAIL(VectorPolicy, Dot("vectors"), make_demonstrations("vectors"), sequence_length=5)
