"""Our discriminators in imitation's own algorithms, and its nets in ours."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

pytest.importorskip("imitation")

from imitation.algorithms.adversarial.airl import AIRL as TheirAIRL
from imitation.algorithms.adversarial.gail import GAIL as TheirGAIL
from imitation.data import rollout
from imitation.data.wrappers import RolloutInfoWrapper
from imitation.policies.replay_buffer_wrapper import ReplayBufferRewardWrapper
from imitation.rewards import reward_nets, reward_wrapper

from sb3_vdb import GAIL, VAIL, Demonstrations, RewardVecEnv, make_vec_env
from sb3_vdb.adversarial.objective import Objective
from sb3_vdb.discriminators import AIRLDiscriminator, GAILDiscriminator
from sb3_vdb.integrations.imitation_nets import RewardNetTrunk, reward_of
from sb3_vdb.integrations.imitation_rewards import (
    DiscriminatorRewardNet,
    VAILRewardNet,
    VAIRLRewardNet,
)
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import View
from sb3_vdb_envs.maze import WaypointController

pytestmark = pytest.mark.stacks
BOX = spaces.Box(-2.0, 2.0, (3,), np.float32)
ACTIONS = spaces.Box(-3.0, 1.0, (2,), np.float32)
N = 16


def make_venv(n=2):
    return DummyVecEnv([lambda: Monitor(RolloutInfoWrapper(gym.make("sb3_vdb/CMaze-v0")))] * n)


def random_samples(seed, observation_space=BOX, action_space=ACTIONS, n=N):
    observation_space.seed(seed), action_space.seed(seed)
    obs, next_obs = (np.stack([observation_space.sample() for _ in range(n)]) for _ in range(2))
    acts = np.stack([action_space.sample() for _ in range(n)])
    return {"obs": obs, "acts": acts, "next_obs": next_obs, "dones": np.zeros(n, dtype=bool)}


def transitions_of(*samples):
    joined = {key: np.concatenate([each[key] for each in samples]) for key in samples[0]}
    return Transitions(joined["obs"], joined["acts"], joined["next_obs"], joined["dones"])


class FakeTrainer:
    """imitation's `train_disc` on given samples, without environments."""

    def __init__(self, net, kind, minibatch=N):
        self.net = net
        self.trainer = kind.__new__(kind)
        self.trainer._reward_net, self.trainer.demo_batch_size = net, N
        self.trainer.demo_minibatch_size = minibatch

    def update(self, expert, generator, step=True):
        """What `train_disc` does, by imitation's own functions where they need no environment."""
        optimizer = th.optim.SGD(self.net.parameters(), lr=1e-3)
        optimizer.zero_grad()
        self.net.train()
        size = self.trainer.demo_minibatch_size
        for start in range(0, N, size):
            rows = slice(start, start + size)
            parts = [np.concatenate([a[rows], b[rows]]) for a, b in self._pairs(expert, generator)]
            inputs = self.net.preprocess(*parts)
            log_probs = th.full((2 * size,), -0.3)
            logits = self.trainer.logits_expert_is_high(*inputs, log_probs)
            labels = th.cat([th.ones(size), th.zeros(size)])
            loss = th.nn.functional.binary_cross_entropy_with_logits(logits, labels)
            (loss * size / N).backward()
        gradients = [each.grad.clone() for each in self.net.parameters()]
        if step:
            optimizer.step()
        self.net.eval()
        return gradients

    @staticmethod
    def _pairs(expert, generator):
        return [(expert[key], generator[key]) for key in ("obs", "acts", "next_obs", "dones")]


CASES = [
    (VAILRewardNet, TheirGAIL, GAILDiscriminator, {}),
    (VAILRewardNet, TheirGAIL, GAILDiscriminator, {"grad_penalty_coef": 2.0}),
    (VAILRewardNet, TheirGAIL, GAILDiscriminator, {"information_limit": None}),
    (VAIRLRewardNet, TheirAIRL, AIRLDiscriminator, {}),
    (
        VAIRLRewardNet,
        TheirAIRL,
        AIRLDiscriminator,
        {"grad_penalty_coef": 1.0, "grad_penalty_target": "terms", "grad_penalty_on": "both"},
    ),
]


@pytest.mark.parametrize(("kind", "theirs", "ours", "changes"), CASES)
def test_the_loss_on_a_batch_is_half_the_cores(kind, theirs, ours, changes):
    """eq. 10 adds up the means of expert and generator, imitation takes the mean of both."""
    th.manual_seed(0)
    kwargs = {"normalize_inputs": "none"}
    net = kind(BOX, ACTIONS, discriminator_kwargs=kwargs, beta=0.7, **changes)
    expert, generator = random_samples(1), random_samples(2)
    core = copy.deepcopy(net.discriminator)
    th.manual_seed(5)
    gradients = FakeTrainer(net, theirs).update(expert, generator)

    limit = changes.get("information_limit", 0.5)
    objective = Objective(
        N,
        changes.get("grad_penalty_coef", 0.0),
        changes.get("grad_penalty_on", "expert"),
        changes.get("grad_penalty_target", "logits"),
        limit,
    )
    batch = core.encode(transitions_of(expert, generator))
    batch = batch._replace(log_probs=th.full((2 * N,), -0.3 if ours is AIRLDiscriminator else 0.0))
    th.manual_seed(5)
    loss, output = objective.loss(core, batch, 0.7 if limit else 0.0)
    loss.total().backward()
    for ours_, theirs_ in zip(core.parameters(), gradients, strict=True):
        th.testing.assert_close(theirs_, 0.5 * ours_.grad, rtol=1e-4, atol=1e-7)
    if limit is not None:
        assert net.beta == pytest.approx(0.7 + 1e-2 * (float(output.kl.mean()) - 0.5))


def test_minibatches_add_up_to_the_same_update(monkeypatch):
    whole = VAILRewardNet(BOX, ACTIONS, discriminator_kwargs={"normalize_inputs": "none"}, beta=0.3)
    parts = copy.deepcopy(whole)
    parts.n_minibatches = 2
    monkeypatch.setattr(th, "randn_like", th.zeros_like)  # codes without noise
    expert, generator = random_samples(1), random_samples(2)
    one = FakeTrainer(whole, TheirGAIL).update(expert, generator)
    two = FakeTrainer(parts, TheirGAIL, minibatch=N // 2).update(expert, generator)
    for a, b in zip(one, two, strict=True):
        th.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    assert parts.beta == pytest.approx(whole.beta)


def test_an_unknown_number_of_minibatches_is_refused():
    net = VAILRewardNet(BOX, ACTIONS)
    expert, generator = random_samples(1), random_samples(2)
    with pytest.raises(ValueError, match="more in an update"):
        FakeTrainer(net, TheirGAIL, minibatch=N // 2).update(expert, generator)
    net = VAILRewardNet(BOX, ACTIONS, n_minibatches=2)
    trainer = FakeTrainer(net, TheirGAIL)
    trainer.update(expert, generator)
    with pytest.raises(ValueError, match="fewer in an update"):
        trainer.update(expert, generator)


@pytest.mark.parametrize(
    ("observations", "actions"),
    [
        (spaces.Discrete(4), spaces.Discrete(3)),
        (BOX, spaces.MultiDiscrete([2, 3])),
        (spaces.MultiDiscrete([3, 2]), ACTIONS),
        (spaces.MultiBinary(5), spaces.Discrete(2)),
        (spaces.Box(0, 255, (16, 16, 3), np.uint8), ACTIONS),
        (spaces.Box(-1.0, 1.0, (2, 3), np.float64), ACTIONS),
    ],
)
def test_all_that_imitation_takes_is_seen_as_in_the_core(observations, actions):
    """Through imitation's preprocessing and back."""
    kwargs = {"normalize_inputs": "none"}
    if len(observations.shape) == 3:
        from sb3_vdb.networks import ConvTrunk

        kwargs |= {"trunk_class": ConvTrunk, "trunk_kwargs": {"depth": 4}}
        kwargs["view"] = View()
    net = VAILRewardNet(observations, actions, discriminator_kwargs=kwargs).eval()
    samples = random_samples(3, observations, actions)
    theirs = net.predict(samples["obs"], samples["acts"], samples["next_obs"], samples["dones"])
    with th.no_grad():
        batch = net.discriminator.encode(transitions_of(samples))
        ours = net.discriminator(batch, False).logits_expert_is_high.numpy()
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)


def test_parts_are_refused():
    with pytest.raises(ValueError, match="no observations with parts"):
        VAILRewardNet(spaces.Dict({"a": BOX}), ACTIONS)


def test_time_limits_do_not_end_the_potential():
    net = VAIRLRewardNet(BOX, ACTIONS).eval()
    samples = random_samples(3)
    ended = {**samples, "dones": np.ones(N, dtype=bool)}

    def f(batch):
        return net.predict(batch["obs"], batch["acts"], batch["next_obs"], batch["dones"])

    np.testing.assert_array_equal(f(samples), f(ended))
    net.dones_are_terminal = True
    assert not np.allclose(f(samples), f(ended))


# ---------------------------------------------------------------------- imitation's own checks


NETS = [VAILRewardNet, VAIRLRewardNet, DiscriminatorRewardNet]


@pytest.mark.parametrize("kind", NETS)
def test_a_saved_net_predicts_the_same(kind, tmp_path):
    net = kind(BOX, ACTIONS)
    FakeTrainer(net, TheirAIRL if kind is VAIRLRewardNet else TheirGAIL).update(
        random_samples(1), random_samples(2)
    )
    th.save(net, tmp_path / "net.pt")
    loaded = th.load(tmp_path / "net.pt", weights_only=False)
    samples = random_samples(3)
    for each in ("predict", "predict_processed"):
        ours, theirs = (
            getattr(one, each)(
                samples["obs"], samples["acts"], samples["next_obs"], samples["dones"]
            )
            for one in (net, loaded)
        )
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.beta == net.beta != 0.1
    other = kind(BOX, ACTIONS)
    other.load_state_dict(net.state_dict())
    assert other.beta == net.beta


@pytest.mark.parametrize("kind", NETS)
def test_the_environments_pay_the_net(kind):
    venv = make_venv()
    net = kind(venv.observation_space, venv.action_space)
    paying = reward_wrapper.RewardVecEnvWrapper(venv, net.predict_processed)
    before = paying.reset()
    actions = np.zeros((2, 2), np.float32)
    after, rewards, dones, _ = paying.step(actions)
    np.testing.assert_allclose(rewards, net.predict(before, actions, after, dones), rtol=1e-6)


def test_their_wrappers_go_around_ours():
    net = VAILRewardNet(BOX, ACTIONS)
    potential = reward_nets.BasicPotentialMLP(BOX, hid_sizes=[8])
    shaped = reward_nets.ShapedRewardNet(net, potential, 0.99)
    normalized = reward_nets.NormalizedRewardNet(net, reward_nets.networks.RunningNorm)
    samples = random_samples(3)
    batch = [samples[key] for key in ("obs", "acts", "next_obs", "dones")]
    plain = net.predict(*batch)
    with th.no_grad():
        shift = [
            potential(th.as_tensor(samples[key])).flatten().numpy() for key in ("next_obs", "obs")
        ]
    np.testing.assert_allclose(
        shaped.predict(*batch), plain + 0.99 * shift[0] - shift[1], rtol=1e-4, atol=1e-5
    )
    assert normalized.predict_processed(*batch).shape == (N,)


def test_their_replay_buffer_is_relabelled_by_ours():
    venv = make_venv(1)
    net = VAILRewardNet(venv.observation_space, venv.action_space)
    from stable_baselines3.common.buffers import ReplayBuffer

    generator = SAC(
        "MlpPolicy",
        venv,
        replay_buffer_class=ReplayBufferRewardWrapper,
        replay_buffer_kwargs={"replay_buffer_class": ReplayBuffer, "reward_fn": net.predict},
        learning_starts=10,
        buffer_size=200,
        device="cpu",
    )
    generator.learn(20)
    samples = generator.replay_buffer.sample(8)
    batch = [
        each.numpy() for each in (samples.observations, samples.actions, samples.next_observations)
    ]
    expected = net.predict(*batch, samples.dones.numpy().flatten())
    np.testing.assert_allclose(samples.rewards.numpy().flatten(), expected, rtol=1e-5)


# ---------------------------------------------------------------------- whole pipelines


def expert_trajectories(venv, n=4):
    controller = WaypointController("c_maze")

    def expert(observations, state, dones):
        return controller.predict(observations)[0], state

    rng = np.random.default_rng(0)
    until = rollout.make_sample_until(min_episodes=n)
    return rollout.rollout(expert, venv, until, rng=rng, verbose=False)


@pytest.mark.parametrize("kind", [VAILRewardNet, VAIRLRewardNet])
def test_a_pipeline_of_theirs_trains_ours(kind, tmp_path):
    venv = make_venv()
    th.manual_seed(0)
    net = kind(venv.observation_space, venv.action_space, beta_step_size=0.1)
    trainer = (TheirAIRL if kind is VAIRLRewardNet else TheirGAIL)(
        demonstrations=expert_trajectories(venv),
        demo_batch_size=64,
        venv=venv,
        gen_algo=PPO("MlpPolicy", venv, n_steps=100, batch_size=50, n_epochs=1, seed=0),
        reward_net=net,
        n_disc_updates_per_round=4,
        log_dir=tmp_path,
        init_tensorboard=False,
    )
    before = copy.deepcopy(net.state_dict())
    trainer.train(400)
    after = net.state_dict()
    weights = [key for key in before if "weight" in key]
    assert weights
    assert all(not th.equal(before[key], after[key]) for key in weights)
    assert net.beta != pytest.approx(0.1)
    if kind is VAIRLRewardNet:
        g = trainer.reward_test
        assert not isinstance(g, reward_nets.RewardNetWrapper)
        samples = random_samples(3, venv.observation_space, venv.action_space)
        batch = [samples[key] for key in ("obs", "acts", "next_obs", "dones")]
        with th.no_grad():
            encoded = net.discriminator.encode(transitions_of(samples))
            expected = net.discriminator.reward(encoded, "g").numpy()
        np.testing.assert_allclose(g.predict(*batch), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("trainer_class", [GAIL, VAIL])
def test_their_net_is_our_trunk(trainer_class, tmp_path):
    venv = make_vec_env("sb3_vdb/CMaze-v0", n_envs=4, seed=0)
    demonstrations = Demonstrations.from_rollouts(WaypointController("c_maze"), venv, n_episodes=4)
    kwargs = {
        "trunk_class": RewardNetTrunk,
        "trunk_kwargs": {"reward_net_kwargs": {"hid_sizes": [16, 16]}},
    }
    generator = PPO("MlpPolicy", venv, n_steps=50, batch_size=50, n_epochs=1, seed=0)
    trainer = trainer_class(
        demonstrations, venv, generator, demo_batch_size=64, discriminator_kwargs=kwargs, seed=0
    )
    trainer.learn(400)
    reward = trainer.recovered_reward()
    loaded = type(reward).load(reward.save(tmp_path / "reward.pt"))
    transitions = demonstrations.transitions()
    np.testing.assert_array_equal(loaded(transitions), reward(transitions))


def test_their_net_pays_in_our_environments():
    venv = make_vec_env("sb3_vdb/CMaze-v0", n_envs=2, seed=0)
    net = reward_nets.BasicRewardNet(venv.observation_space, venv.action_space)
    paying = RewardVecEnv(venv, reward_of(net))
    before = paying.reset()
    actions = np.zeros((2, 2), np.float32)
    after, rewards, dones, _ = paying.step(actions)
    np.testing.assert_allclose(rewards, net.predict(before, actions, after, dones), rtol=1e-5)
