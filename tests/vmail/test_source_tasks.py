"""Algorithm 2: source tasks that share a world model, and the transfer to a target."""

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb import VMAIL
from sb3_vdb.vmail import VDAC, SourceTasks
from tests.vmail.small import Dot, make_demonstrations, make_maze_model, make_model


class CountedDot(Dot):
    """Counts the steps of all environments of its class."""

    n_steps = 0

    def step(self, action):
        CountedDot.n_steps += 1
        return super().step(action)


def make_tasks(kind="pixels", **kwargs):
    return SourceTasks(
        {name: make_model(kind, seed=i, **kwargs) for i, name in enumerate(("left", "right"))}
    )


def weights(module):
    return th.cat([each.detach().flatten() for each in module.parameters()])


@pytest.mark.parametrize("kind", ["pixels", "vectors", "both"])
def test_tasks_share_one_world_model_and_keep_their_own_policies(kind):
    tasks = make_tasks(kind).learn(40)
    left, right = tasks["left"], tasks["right"]
    assert left.policy.world_model is right.policy.world_model
    assert left.num_timesteps == right.num_timesteps == 40
    for name in ("actor", "value", "discriminator"):
        assert not th.equal(*(weights(getattr(each.policy, name)) for each in (left, right)))
    optimizers = [each.policy.model_optimizer for each in (left, right)]
    assert optimizers[0] is optimizers[1]


def test_each_tasks_updates_change_the_shared_model_and_its_own_networks_alone():
    tasks = make_tasks().learn(10)
    left, right = tasks["left"], tasks["right"]
    model, theirs = weights(left.policy.world_model), weights(left.policy.actor)
    right.train(1)
    assert not th.equal(weights(left.policy.world_model), model)
    assert th.equal(weights(left.policy.actor), theirs)


def test_vectors_are_scaled_by_the_demonstrations_of_all_tasks():
    first, second = (
        make_model("vectors", demonstrations=make_demonstrations("vectors", n)) for n in (1, 3)
    )
    alone = {name: part.clone() for name, part in first.policy.world_model.encoder.named_buffers()}
    SourceTasks({"a": first, "b": second})
    shared = dict(first.policy.world_model.encoder.named_buffers())
    assert any(not th.equal(alone[name], shared[name]) for name in alone)
    stacked = np.concatenate(
        [each.observations for n in (1, 3) for each in make_demonstrations("vectors", n)]
    )
    means = [part for name, part in shared.items() if "mean" in name]
    np.testing.assert_allclose(means[0].flatten(), stacked.mean(axis=0), atol=1e-5)


def test_rounds_give_each_task_its_turn_and_can_end_learning():
    seen = []

    def after_round(tasks):
        seen.append([task.num_timesteps for task in tasks.tasks.values()])
        return len(seen) < 3

    make_tasks().learn(1000, after_round=after_round)
    assert seen == [[10, 10], [20, 20], [30, 30]]


def test_a_target_is_learned_without_a_step_in_any_environment():
    CountedDot.n_steps = 0
    tasks = SourceTasks({name: make_model(env=CountedDot()) for name in ("left", "right")}).learn(
        30
    )
    before, stepped = weights(tasks["left"].policy.world_model), CountedDot.n_steps
    assert stepped == 60
    target = tasks.transfer(make_demonstrations(n=3), gradient_steps=2)
    assert CountedDot.n_steps == stepped
    assert target.num_timesteps == target.num_env_frames == 0
    assert target.env is None
    assert target._n_updates == 2
    assert th.equal(weights(tasks["left"].policy.world_model), before)  # a copy was tuned
    assert not th.equal(weights(target.policy.world_model), before)
    action, _ = target.predict(Dot().reset(seed=0)[0])
    assert action.shape == (2,)


def test_a_target_has_a_new_policy_the_model_of_the_sources_and_their_episodes():
    """Two sources with two demonstrations each, and three ended episodes of 13 observations."""
    tasks = make_tasks().learn(36)
    target = tasks.transfer(make_demonstrations(n=3), 0, actor_learning_rate=1e-3)
    source = tasks["left"].policy
    assert th.equal(weights(target.policy.world_model), weights(source.world_model))
    assert not th.equal(weights(target.policy.actor), weights(source.actor))
    assert not th.equal(weights(target.policy.discriminator), weights(source.discriminator))
    assert len(target.replay_buffer.expert.episodes) == 3
    assert len(target.replay_buffer.policy.episodes) == 2 * (2 + 3)
    assert target.actor_learning_rate == 1e-3
    assert target.batch_size == tasks["left"].batch_size
    pictures = [
        tasks["right"].replay_buffer.policy.episode(2),
        target.replay_buffer.policy.episode(-1),
    ]
    for name in pictures[0]:
        assert th.equal(*(each[name] for each in pictures))


def test_a_target_goes_on_in_its_environment_and_from_its_files(tmp_path):
    target = make_tasks().learn(20).transfer(make_demonstrations(), 1)
    target.save(tmp_path / "target.zip")
    loaded = VMAIL.load(tmp_path / "target.zip")
    observation = Dot().reset(seed=0)[0]
    actions = [each.predict(observation, deterministic=True)[0] for each in (loaded, target)]
    np.testing.assert_array_equal(*actions)
    target.set_env(Dot())
    target.learn(20)
    assert target.num_timesteps == 20


def test_one_model_transfers_as_well_and_vdac_too():
    for algorithm in (VMAIL, VDAC):
        model = make_model(algorithm=algorithm).learn(20)
        target = model.transfer(make_demonstrations(n=3), 1)
        assert type(target) is algorithm
        assert target._n_updates == 1


def test_a_transfer_from_tasks_that_have_not_acted_says_so():
    with pytest.warns(UserWarning, match="no episode of their policies yet"):
        make_tasks().transfer(make_demonstrations(), 0)


def test_learn_tasks_is_line_3_of_the_algorithm():
    tasks = VMAIL.learn_tasks({"a": make_model(), "b": make_model(seed=1)}, 20)
    assert [task.num_timesteps for task in tasks.tasks.values()] == [20, 20]


def test_source_tasks_go_on_exactly_from_their_files(tmp_path):
    """2 N = N + save + load + N, for model, policies and what is stored."""

    def make():
        return SourceTasks({str(seed): make_maze_model(seed) for seed in (0, 1)})

    whole = make().learn(28)
    half = make().learn(14)
    half.save(tmp_path)
    envs = {name: task.env for name, task in make().tasks.items()}
    loaded = SourceTasks.load(tmp_path, VMAIL, envs, device="cpu")
    assert loaded["0"].policy.world_model is loaded["1"].policy.world_model
    loaded.learn(14, reset_num_timesteps=False)
    again = make().learn(14).learn(14, reset_num_timesteps=False)
    for name in ("0", "1"):
        for other in (loaded, again):
            assert other[name].num_timesteps == whole[name].num_timesteps == 28
        assert th.equal(weights(loaded[name].policy), weights(again[name].policy))


def test_an_interrupted_save_leaves_what_was_there(tmp_path, monkeypatch):
    def make():
        return SourceTasks({str(seed): make_maze_model(seed) for seed in (0, 1)})

    tasks, envs = make().learn(14), {name: task.env for name, task in make().tasks.items()}
    tasks.save(tmp_path)
    tasks.learn(14, reset_num_timesteps=False)
    monkeypatch.setattr(tasks["1"], "save", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.save(tmp_path)
    loaded = SourceTasks.load(tmp_path, VMAIL, envs, device="cpu")
    assert [task.num_timesteps for task in loaded.tasks.values()] == [14, 14]
    monkeypatch.undo()
    tasks.save(tmp_path)
    assert len(list(tmp_path.glob("*.zip"))) == 2
    with pytest.raises(ValueError, match="has the tasks 0, 1, `envs` are for 1"):
        SourceTasks.load(tmp_path, VMAIL, {"1": envs["1"]})


def test_a_transfer_leaves_the_sources_random_numbers_alone():
    tasks = make_tasks().learn(20)
    before = th.get_rng_state()
    tasks.transfer(make_demonstrations(), 0)
    assert th.equal(th.get_rng_state(), before)


def test_callbacks_end_when_learning_ends_between_phases():
    class Ended(BaseCallback):
        n = 0

        def _on_step(self):
            return True

        def _on_training_end(self):
            self.n += 1

    callbacks = {"left": Ended(), "right": Ended()}
    make_tasks().learn(1000, callbacks=callbacks, after_round=lambda _: False)
    assert [each.n for each in callbacks.values()] == [1, 1]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (dict, "`tasks` is empty"),
        (lambda: {"a": make_model(), "b": make_model("vectors")}, "need one observation space"),
        (
            lambda: {"a": make_model(), "b": make_model(policy_kwargs={"units": 15})},
            "need one sizes",
        ),
        (lambda: {"a": make_model(), "b": make_model(algorithm=VDAC)}, "need one class"),
        (lambda: dict.fromkeys("ab", make_model()), "two source tasks are one algorithm"),
        (lambda: {"a": make_model().learn(10)}, "source tasks a have learned before"),
    ],
)
def test_tasks_that_cannot_share_a_model_are_refused(tasks, message):
    with pytest.raises(ValueError, match=message):
        SourceTasks(tasks())


def test_bad_arguments_are_refused_before_anything_is_learned():
    tasks = make_tasks()
    with pytest.raises(ValueError, match="`callbacks` are for up; the tasks are left, right"):
        tasks.learn(10, callbacks={"up": None})
    with pytest.raises(ValueError, match="takes no argument speed"):
        tasks.transfer(make_demonstrations(), 0, speed=1)
    with pytest.raises(ValueError, match="`gradient_steps`"):
        tasks.transfer(make_demonstrations(), -1)
    with pytest.raises(ValueError, match="have 52 observations, `buffer_size` is 30"):
        tasks.transfer(make_demonstrations(), 0, buffer_size=30)
    with pytest.raises(ValueError, match="must leave the world model as it is"):
        tasks.transfer(make_demonstrations(), 0, policy_kwargs={"deter_dim": 13})
    with pytest.raises(ValueError, match="`engine` must be one of"):
        tasks.transfer(make_demonstrations(), 0, engine="fast")
    with pytest.raises(ValueError, match="trajectory 0"):
        tasks.transfer(make_demonstrations("vectors"), 0)
    assert tasks["left"].num_timesteps == 0
