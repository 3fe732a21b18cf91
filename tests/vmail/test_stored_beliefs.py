"""Beliefs that are kept with observations, from which sequences begin."""

import numpy as np
import pytest
import torch as th

from sb3_vdb import VMAIL
from sb3_vdb.vmail import VDAC
from sb3_vdb.vmail.engines.cuda_graph import _flatten, _unflatten
from sb3_vdb.vmail.inspection import logits_by_age
from sb3_vdb.vmail.replay_buffer import SequenceReplayBuffer
from sb3_vdb.vmail.update import UpdateInputs
from tests.vmail.small import (
    PICTURE,
    Place,
    make_batch,
    make_maze_model,
    make_model,
    numbered_episode,
)

DIM = 3


def make_replay(n_expert=1, n_policy=1, length=9):
    place = Place("memory", th.device("cpu"))
    replay = SequenceReplayBuffer(PICTURE, 2, 60, 1, 5, place, place.device, 0, DIM)
    replay.set_expert([numbered_episode(i, length) for i in range(n_expert)])
    replay.add_episodes([numbered_episode(100 + i, length) for i in range(n_policy)])
    return replay


def known(replay):
    """Features that say which row they are the belief of: number of the episode and time."""
    pictures = [
        store.rows["observations/observation"][th.as_tensor(rows)][..., 0, 0].float()
        for store, rows in replay._sampled
    ]
    return th.cat(pictures, dim=1)


def test_a_sequence_from_the_middle_begins_from_what_was_believed_before_it():
    """Of episode and time before the sequence's first row; zeros at an episode's start."""
    replay = make_replay(n_expert=2, n_policy=3)
    for _ in range(60):
        joint, expert = replay.sample(4, 0.5), replay.sample_expert(4)
        replay.write_beliefs(known(replay))
    for batch in (joint, expert):
        episode, time = batch.observations["observation"][0, :, :2, 0, 0].float().T
        middle = time > 0
        assert middle.any()
        np.testing.assert_array_equal(batch.before[middle, 0], episode[middle])
        np.testing.assert_array_equal(batch.before[middle, 1], time[middle] - 1)
        assert (batch.before[~middle] == 0).all()


def test_an_episode_in_the_place_of_an_old_one_begins_from_nothing():
    replay = make_replay(n_policy=6)  # of 10 observations: the buffer is full
    replay.policy.before[:] = 1.0
    replay.add_episodes([numbered_episode(7, 9)])
    assert (replay.policy.before[:10] == 0).all()
    assert (replay.policy.before[10:] == 1).all()


def test_without_them_nothing_is_kept():
    model = make_model().learn(20)
    assert model.replay_buffer.policy.before is None
    assert model.replay_buffer.sample(2).before is None


@pytest.mark.parametrize("algorithm", [VMAIL, VDAC])
def test_updates_keep_the_beliefs_that_they_inferred(algorithm):
    model = make_model(algorithm=algorithm, stored_beliefs=True, batch_size=4)
    model.learn(40)
    stores = model.replay_buffer.expert, model.replay_buffer.policy
    for store in stores:
        firsts = [begin for begin, _ in store.episodes]
        assert (store.before[firsts] == 0).all()
        assert store.before.abs().sum() > 0
    batch = model.replay_buffer.sample(3)
    assert batch.before.shape == (3, model.policy.world_model.feat_dim)


def test_a_belief_goes_into_the_update():
    """The same batch with another belief before it has another loss."""
    model = make_model(stored_beliefs=True)
    losses = model._learner.update.losses
    batch, expert = model.sample_batches()
    metrics = []
    for value in (0.0, 1.0):
        th.manual_seed(0)
        before = th.full_like(batch.before, value)
        given = batch._replace(before=before)
        metrics.append(losses(given, expert, th.tensor(0.0)).model.total())
    assert metrics[0] != metrics[1]


def test_a_cuda_graphs_inputs_are_listed_and_found_again():
    batch, expert = (make_batch(seed)._replace(before=th.rand(3, DIM)) for seed in (0, 1))
    for given in ((batch, expert), (batch._replace(before=None), expert._replace(before=None))):
        inputs = UpdateInputs(*given, th.tensor(0.5), th.tensor(0.25))
        again = _unflatten(_flatten(inputs), list(batch.observations))
        for one, other in zip(given, (again.batch, again.expert), strict=True):
            assert th.equal(one.actions, other.actions)
            assert (one.before is None) == (other.before is None)
            if one.before is not None:
                assert th.equal(one.before, other.before)
        assert (again.beta, again.target_share) == (0.5, 0.25)


@pytest.mark.parametrize("parts", [False, True])
def test_a_run_in_two_parts_equals_one_run(parts, tmp_path):
    def make():
        return make_maze_model(stored_beliefs=True)

    half = make().learn(250)  # some episodes of 100 steps have ended
    half.save(tmp_path / "half.zip")
    half.save_replay_buffer(tmp_path / "replay", parts=parts)
    loaded = VMAIL.load(tmp_path / "half.zip", make().env, device="cpu")
    loaded.load_replay_buffer(tmp_path / "replay" if parts else tmp_path / "replay.npz")
    for name in ("expert", "policy"):
        stores = [getattr(each.replay_buffer, name) for each in (half, loaded)]
        n = max(begin + length for begin, length in stores[0].episodes)
        assert th.equal(*(store.before[:n] for store in stores))
    loaded.learn(30, reset_num_timesteps=False)
    again = make().learn(250).learn(30, reset_num_timesteps=False)
    for one, other in zip(loaded.policy.parameters(), again.policy.parameters(), strict=True):
        assert th.equal(one, other)


def test_a_file_with_other_beliefs_is_refused(tmp_path):
    make_model(stored_beliefs=True).save_replay_buffer(tmp_path / "kept.npz")
    with pytest.raises(ValueError, match="make it with the `stored_beliefs` and sizes"):
        make_model().load_replay_buffer(tmp_path / "kept.npz")


def test_logits_by_age_are_means_over_episodes_of_any_length():
    model = make_model().learn(20)
    store = model.replay_buffer.expert
    long = store.episode(0)
    short = {name: rows[:6] for name, rows in store.episode(1).items()}
    both, alone = logits_by_age(model, [long, short]), logits_by_age(model, [long])
    assert both.shape == alone.shape == (12,)
    np.testing.assert_array_equal(both[5:], alone[5:])
    assert (both[:5] != alone[:5]).any()
