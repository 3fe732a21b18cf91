"""What V-MAIL's replay buffer holds and what is drawn from it."""

import pickle
import warnings

import numpy as np
import pytest
import torch as th

from sb3_vdb.vmail import memory
from sb3_vdb.vmail.memory import Place, allocate, choose_place, size_of
from sb3_vdb.vmail.replay import row_fields
from tests.vmail.small import PICTURE, make_replay, numbered_episode


def test_the_stored_action_is_the_one_that_led_to_the_observation():
    replay = make_replay()
    batch = replay.sample(64)
    pictures = batch.observations["observation"]
    step = pictures[:, :, 1, 0, 0].float()
    number = pictures[:, :, 0, 0, 0].float()
    # the action after observation t was numbered t + 1
    assert th.equal(batch.actions[..., 1], step)
    assert th.equal(batch.actions[1:, :, 0], number[1:])


def test_the_first_observation_of_an_episode_has_a_zero_action():
    replay = make_replay()
    rows = replay.policy.episode(0)
    assert not rows["actions"][0].any()
    assert len(rows["actions"]) == len(rows["observations/observation"]) == 10


def test_sequences_never_cross_from_one_episode_to_the_next():
    replay = make_replay(n_expert=3, n_policy=8, length=7)
    for _ in range(20):
        pictures = replay.sample(32).observations["observation"][:, :, :2, 0, 0].int()
        assert (pictures[:, :, 0] == pictures[:1, :, 0]).all()
        assert (pictures[1:, :, 1] == pictures[:-1, :, 1] + 1).all()


def test_every_episode_is_drawn_as_often_whatever_its_length():
    replay = make_replay(n_expert=1, n_policy=0, length=9)
    replay.add_episode(numbered_episode(100, 60))
    drawn = replay.sample(20_000).observations["observation"][0, :, 0, 0, 0]
    # standard error of a share of 20,000 draws is 0.0035
    assert (drawn == 100).float().mean().item() == pytest.approx(0.5, abs=0.015)


def test_every_start_within_an_episode_can_be_drawn():
    replay = make_replay(n_expert=1, n_policy=0, length=9, sequence_length=5)
    starts = replay.sample(500).observations["observation"][0, :, 1, 0, 0]
    assert set(starts.tolist()) == set(range(6))


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_the_share_of_the_expert_can_be_chosen(fraction):
    replay = make_replay(n_expert=2, n_policy=6)
    drawn = replay.sample(20_000, fraction).observations["observation"][0, :, 0, 0, 0]
    assert (drawn < 100).float().mean().item() == pytest.approx(fraction, abs=0.015)
    assert replay.expert_share() == 0.25


def test_without_policy_episodes_everything_is_the_experts():
    replay = make_replay(n_policy=0)
    assert (replay.sample(50, 0.0).observations["observation"][0, :, 0] < 100).all()


def test_the_expert_is_drawn_from_its_own_episodes():
    replay = make_replay()
    assert (replay.sample_expert(200).observations["observation"][:, :, 0] < 100).all()


def test_the_oldest_episodes_give_way():
    replay = make_replay(n_policy=0, capacity=35)
    for i in range(10):
        replay.add_episode(numbered_episode(100 + i, 9))
    assert len(replay.policy.episodes) == 3  # of 10 rows each
    numbers = {int(replay.policy.episode(i)["actions"][1, 0]) for i in range(3)}
    assert numbers == {107, 108, 109}
    assert replay.policy.n_rows == 30


def test_short_episodes_are_kept_and_never_drawn():
    replay = make_replay(n_expert=1, n_policy=0)
    replay.add_episode(numbered_episode(100, 2))
    assert replay.policy.n_drawable == 0
    assert (replay.sample(100).observations["observation"][:, :, 0] < 100).all()


def test_steps_can_be_drawn_once_their_episode_has_ended():
    replay = make_replay(n_policy=0)
    episode = numbered_episode(100, 6)
    pictures = episode.observations["observation"]
    replay.begin(0, {"observation": pictures[0]})
    for t in range(6):
        assert replay.policy.n_drawable == 0
        replay.step(0, episode.actions[t], {"observation": pictures[t + 1]}, 0.0, t == 5)
    assert replay.policy.n_drawable == 1
    stored = replay.policy.episode(0)
    assert np.array_equal(stored["observations/observation"].numpy(), pictures)
    assert np.array_equal(stored["actions"][1:].numpy(), episode.actions)


def test_an_episode_longer_than_the_buffer_is_refused_with_the_remedy():
    replay = make_replay(capacity=20, n_policy=0)
    with pytest.raises(ValueError, match="`buffer_size` 20; enlarge it"):
        replay.add_episode(numbered_episode(100, 30))
    replay.begin(0, {"observation": np.zeros(PICTURE.shape, np.uint8)})
    step = (0, np.zeros(2, np.float32), {"observation": np.zeros(PICTURE.shape, np.uint8)}, 0.0)
    for _ in range(19):
        replay.step(*step, ended=False)
    with pytest.raises(ValueError, match="TimeLimit"):
        replay.step(*step, ended=False)


def test_saved_and_loaded_it_draws_the_same(tmp_path):
    replay = make_replay(n_policy=12, capacity=35)
    replay.begin(0, {"observation": np.full(PICTURE.shape, 7, np.uint8)})
    path = tmp_path / "replay.npz"
    replay.save(path)
    other = make_replay(n_expert=1, n_policy=0, capacity=35, seed=5)
    other.load(path)
    assert other.policy.episodes == replay.policy.episodes
    assert other.has_begun(0)
    assert (other._open[0]["observations/observation"][0] == 7).all()
    for _ in range(3):
        one, two = replay.sample(8), other.sample(8)
        assert th.equal(one.actions, two.actions)
        assert th.equal(one.observations["observation"], two.observations["observation"])


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "replay.npz"
    make_replay().save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="truncated"):
        make_replay().load(path)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "replay.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="no replay buffer of sb3_vdb"):
        make_replay().load(path)


def test_episodes_too_short_to_learn_from_are_warned_of_once():
    replay = make_replay(n_policy=0)
    picture = {"observation": np.zeros(PICTURE.shape, np.uint8)}

    def short_episode():
        replay.begin(0, picture)
        replay.step(0, np.zeros(2, np.float32), picture, 0.0, False)
        replay.step(0, np.zeros(2, np.float32), picture, 0.0, True)

    with pytest.warns(UserWarning, match="3 observations is shorter than `sequence_length` 5"):
        short_episode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short_episode()


def test_a_file_of_other_sizes_is_refused_with_both(tmp_path):
    path = tmp_path / "replay.npz"
    make_replay(capacity=100).save(path)
    with pytest.raises(ValueError, match="`buffer_size` 100, this algorithm 50"):
        make_replay(capacity=50, n_policy=0).load(path)


def test_the_estimate_is_the_size_of_what_is_allocated():
    fields = row_fields(PICTURE, 2)
    assert size_of(fields, 10) == 10 * (3 * 16 * 16 + 2 * 4 + 4)
    replay = make_replay(capacity=10, n_policy=0)
    rows = replay.policy.rows.values()
    assert sum(each.numel() * each.element_size() for each in rows) == size_of(fields, 10)


@pytest.mark.parametrize(
    ("free", "expected"), [((0, 100, 100), "memory"), ((0, 10, 100), "disk")], ids=["ram", "disk"]
)
def test_the_first_place_with_room_is_taken(free, expected, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(memory, "free_room", lambda *_: memory.Room(*free))
    place = choose_place("auto", 50, th.device("cpu"), tmp_path, verbose=1)
    assert place.name == expected
    assert f"kept in {expected}" in capsys.readouterr().out
    if place.folder is not None:
        place.folder.cleanup()


def test_a_buffer_larger_than_memory_and_disk_is_refused_before_it_is_allocated():
    with pytest.raises(ValueError, match="lower `buffer_size`"):
        choose_place("auto", 10**18, th.device("cpu"), None)
    with pytest.raises(ValueError, match=r"may take .* \(memory\)"):
        choose_place("memory", 10**15, th.device("cpu"), None)


def test_places_are_refused_by_name():
    with pytest.raises(ValueError, match="auto, cuda, memory, disk"):
        choose_place("ram", 10, th.device("cpu"), None)
    with pytest.raises(ValueError, match='needs `device` "cuda"'):
        choose_place("cuda", 10, th.device("cpu"), None)


def test_a_mapped_file_holds_what_memory_would_and_goes_away(tmp_path):
    place = choose_place("disk", 100, th.device("cpu"), tmp_path)
    assert isinstance(place, Place)
    tensor = allocate((4, 5), th.uint8, place, "rows")
    tensor[2] = 9
    files = list(tmp_path.rglob("rows_*"))
    assert len(files) == 1
    assert files[0].read_bytes()[10:15] == b"\x09" * 5
    place.folder.cleanup()
    assert not list(tmp_path.iterdir())
