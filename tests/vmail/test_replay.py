"""What V-MAIL's replay buffer holds and what is drawn from it."""

import json
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest
import torch as th

from sb3_vdb.errors import DamagedFileError
from sb3_vdb.vmail import memory
from sb3_vdb.vmail.episode_store import episode_rows, row_fields
from sb3_vdb.vmail.memory import Place, allocate, choose_place, size_of
from sb3_vdb.vmail.replay_files import ReplayFolder, load_replay, save_replay
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
    replay.add_episodes([numbered_episode(100, 60)])
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
        replay.add_episodes([numbered_episode(100 + i, 9)])
    assert len(replay.policy.episodes) == 3  # of 10 rows each
    numbers = {int(replay.policy.episode(i)["actions"][1, 0]) for i in range(3)}
    assert numbers == {107, 108, 109}
    assert replay.policy.n_rows == 30


def test_short_episodes_are_kept_and_never_drawn():
    replay = make_replay(n_expert=1, n_policy=0)
    replay.add_episodes([numbered_episode(100, 2)])
    assert replay.policy.n_long_enough == 0
    assert (replay.sample(100).observations["observation"][:, :, 0] < 100).all()


def test_steps_can_be_drawn_once_their_episode_has_ended():
    replay = make_replay(n_policy=0)
    episode = numbered_episode(100, 6)
    pictures = episode.observations["observation"]
    replay.begin(0, {"observation": pictures[0]})
    for t in range(6):
        assert replay.policy.n_long_enough == 0
        replay.step(0, episode.actions[t], {"observation": pictures[t + 1]}, 0.0, t == 5)
    assert replay.policy.n_long_enough == 1
    stored = replay.policy.episode(0)
    assert np.array_equal(stored["observations/observation"].numpy(), pictures)
    assert np.array_equal(stored["actions"][1:].numpy(), episode.actions)


def test_an_episode_longer_than_the_buffer_is_refused_with_the_remedy():
    replay = make_replay(capacity=20, n_policy=0)
    with pytest.raises(ValueError, match="`buffer_size` 20; enlarge it"):
        replay.policy.add(episode_rows(numbered_episode(100, 30)))
    with pytest.raises(ValueError, match="31 observations, `buffer_size` is 20"):
        replay.add_episodes([numbered_episode(100, 5), numbered_episode(101, 30)])
    assert not replay.policy.episodes
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
    save_replay(replay, path)
    other = make_replay(n_expert=1, n_policy=0, capacity=35, seed=5)
    load_replay(other, path)
    assert other.policy.episodes == replay.policy.episodes
    assert other.has_begun(0)
    assert (other.open_episodes[0]["observations/observation"][0] == 7).all()
    for _ in range(3):
        one, two = replay.sample(8), other.sample(8)
        assert th.equal(one.actions, two.actions)
        assert th.equal(one.observations["observation"], two.observations["observation"])


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "replay.npz"
    save_replay(make_replay(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="truncated"):
        load_replay(make_replay(), path)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "replay.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="truncated, damaged or of another kind"):
        load_replay(make_replay(), path)


def assert_they_hold_the_same(one, other):
    assert other.policy.episodes == one.policy.episodes
    assert other.policy.ids == one.policy.ids
    assert len(other.expert.episodes) == len(one.expert.episodes)
    for name in ("expert", "policy"):
        for i in range(len(getattr(one, name).episodes)):
            rows, others = (getattr(each, name).episode(i) for each in (one, other))
            assert all(th.equal(rows[field], others[field]) for field in rows)
    assert other.has_begun(0) == one.has_begun(0)
    assert th.equal(one.sample(8).actions, other.sample(8).actions)


def test_a_folder_gets_only_new_episodes_and_gives_back_all(tmp_path):
    replay = make_replay(n_policy=2, capacity=35)
    replay.begin(0, {"observation": np.full(PICTURE.shape, 7, np.uint8)})
    folder = ReplayFolder(tmp_path)
    folder.save(replay, "10-1")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("episode_*")}
    assert len(written) == 4
    replay.add_episodes([numbered_episode(50, 9)])
    folder.save(replay, "20-2")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    other = make_replay(n_expert=1, n_policy=0, capacity=35, seed=5)
    folder.load(other, "20-2")
    assert_they_hold_the_same(replay, other)


def load_into_another(folder, name, **sizes):
    other = make_replay(n_policy=0, **{"capacity": 35, **sizes})
    folder.load(other, name)
    return other


def test_a_folder_keeps_the_buffer_before_and_removes_nothing_in_loading(tmp_path):
    replay, folder = make_replay(n_policy=2, capacity=35), ReplayFolder(tmp_path)
    for i in range(3):
        folder.save(replay, f"{i}-0")
        replay.add_episodes([numbered_episode(50 + i, 9)])
    folder.save(replay, "2-0")  # once more, since the networks could not be written
    assert folder.tables() == ["1-0", "2-0"]
    other = load_into_another(folder, "1-0")
    assert folder.tables() == ["1-0", "2-0"]
    with pytest.raises(ValueError, match=r"no replay buffer of 3-0 .* but of 1-0, 2-0"):
        folder.load(other, "3-0")


def test_a_run_that_branches_off_has_its_own_episodes(tmp_path):
    replay, folder = make_replay(n_policy=2, capacity=35), ReplayFolder(tmp_path)
    folder.save(replay, "1-0")
    branch = load_into_another(folder, "1-0")
    replay.add_episodes([numbered_episode(50, 9)])
    folder.save(replay, "2-0")
    branch.add_episodes([numbered_episode(99, 9)])
    folder.save(branch, "3-0")
    assert folder.tables() == ["1-0", "3-0"]
    assert_they_hold_the_same(branch, load_into_another(folder, "3-0"))


def test_a_folder_is_shared_with_other_files_and_runs(tmp_path):
    folder = ReplayFolder(tmp_path)
    others = [tmp_path / name for name in ("evaluations.npz", "table_of_contents.json")]
    for each in others:
        each.write_text("{}")
    folder.save(make_replay(n_policy=3, seed=1), "10-1")
    replay = make_replay(n_policy=0, n_expert=1)
    replay.add_episodes([numbered_episode(77, 9)])
    folder.save(replay, "20-1")
    assert_they_hold_the_same(replay, load_into_another(folder, "20-1", capacity=100))
    folder.save(replay, "30-1")
    assert len(list(tmp_path.glob("episode_*"))) == 2
    assert all(each.exists() for each in others)


def _middle_of_first_member(path) -> int:
    """Find a byte of a zip file that holds data; one of a time stamp would do no harm."""
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    name_and_extra = path.read_bytes()[first.header_offset + 26 : first.header_offset + 30]
    start = first.header_offset + 30 + sum(struct.unpack("<HH", name_and_extra))
    return start + first.compress_size // 2


@pytest.mark.parametrize("harm", ["missing", "short", "flipped"])
def test_a_damaged_part_of_a_folder_is_refused_by_its_name(harm, tmp_path):
    folder = ReplayFolder(tmp_path)
    folder.save(make_replay(n_policy=1), "10-1")
    path = sorted(tmp_path.glob("episode_*"))[0]
    content = bytearray(path.read_bytes())
    content[_middle_of_first_member(path)] ^= 255
    if harm == "missing":
        path.unlink()
    elif harm == "short":
        np.savez(path, **{name: values[:3] for name, values in np.load(path).items()})
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        load_into_another(folder, "10-1", capacity=100)


@pytest.mark.parametrize("harm", ["empty", "cut", "digit", "other"])
def test_a_damaged_table_does_not_block_the_others(harm, tmp_path):
    """Case 37."""
    folder, replay = ReplayFolder(tmp_path), make_replay(n_policy=1)
    folder.save(replay, "10-1")
    folder.save(replay, "20-2")
    bad = tmp_path / "table_10-1.json"
    text = bad.read_text()
    position = json.loads(text)["policy"]["position"]
    harmed = {
        "empty": "",
        "cut": text[:-9],
        "digit": text.replace(f'"position": {position}', f'"position": {position - 1}'),
        "other": "[]",
    }
    bad.write_text(harmed[harm])
    load_into_another(folder, "20-2", capacity=100)
    with pytest.warns(UserWarning, match=r"left out: .*table_10-1\.json"):
        folder.save(replay, "30-3")
    with pytest.raises(DamagedFileError, match=r"table_10-1\.json"):
        load_into_another(folder, "10-1", capacity=100)


@pytest.mark.parametrize("harm", ["longer", "type"])
def test_open_episodes_of_other_rows_are_refused(harm, tmp_path):
    """Case 37."""
    folder, replay = ReplayFolder(tmp_path), make_replay(n_policy=1)
    replay.begin(0, {"observation": np.zeros(PICTURE.shape, np.uint8)})
    folder.save(replay, "10-1")
    (path,) = tmp_path.glob("open_*")
    rows = dict(np.load(path))
    name = "open0/observations/observation"
    rows[name] = np.repeat(rows[name], 2, axis=0) if harm == "longer" else rows[name].astype(float)
    np.savez(path, **rows)
    with pytest.raises(DamagedFileError, match=path.name):
        load_into_another(folder, "10-1", capacity=100)


def test_an_interrupted_save_into_a_folder_leaves_the_buffer_before(tmp_path, monkeypatch):
    replay, folder = make_replay(n_policy=2), ReplayFolder(tmp_path)
    folder.save(replay, "10-1")
    before = replay.policy.ids.copy()
    replay.add_episodes([numbered_episode(50, 9)])
    monkeypatch.setattr("sb3_vdb.vmail.replay_files.write_text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        folder.save(replay, "20-2")
    other = make_replay(n_policy=0)
    folder.load(other, "10-1")
    assert other.policy.ids == before


def test_what_is_damaged_within_leaves_an_empty_buffer_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / "replay.npz"
    save_replay(make_replay(), path)
    replay = make_replay(n_policy=2)
    monkeypatch.setattr("sb3_vdb.vmail.replay_files._read_into", fail)
    with pytest.raises(ValueError, match="truncated, damaged"):
        load_replay(replay, path)
    assert not replay.policy.episodes
    assert not replay.expert.episodes


def fail(*_):
    raise EOFError


def test_blocks_of_a_file_are_put_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setattr("sb3_vdb.array_files.BLOCK", 2000)  # two rows and a part of a third
    replay, other = make_replay(), make_replay(n_policy=0)
    save_replay(replay, tmp_path / "replay.npz")
    load_replay(other, tmp_path / "replay.npz")
    assert_they_hold_the_same(replay, other)


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
    save_replay(make_replay(capacity=100), path)
    with pytest.raises(ValueError, match="`buffer_size` 100, this algorithm 50"):
        load_replay(make_replay(capacity=50, n_policy=0), path)


def test_the_estimate_is_the_size_of_what_is_allocated():
    fields = row_fields(PICTURE, 2)
    assert size_of(fields, 10) == 10 * (3 * 16 * 16 + 2 * 4 + 4)
    replay = make_replay(capacity=10, n_policy=0)
    rows = replay.policy.rows.values()
    assert sum(each.numel() * each.element_size() for each in rows) == size_of(fields, 10)


@pytest.mark.parametrize(
    ("free", "expected"),
    [((0, 100, 100), "memory"), ((0, 10, 100), "disk"), ((110, 100, 100), "cuda")],
    ids=["ram", "disk", "gpu"],
)
def test_the_first_place_with_room_is_taken(free, expected, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(memory, "free_room", lambda *_: memory.Room(*free))
    device = th.device("cuda" if free[0] else "cpu")
    place = choose_place("auto", 50, device, tmp_path, verbose=1)
    assert (place.device.type == "cuda") == (expected == "cuda")
    assert place.name == expected
    assert f"kept in {expected}" in capsys.readouterr().out


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


def test_a_mapped_file_holds_what_memory_would_and_leaves_nothing_behind(tmp_path, monkeypatch):
    place = choose_place("disk", 100, th.device("cpu"), tmp_path)
    assert isinstance(place, Place)
    monkeypatch.setattr(memory.Path, "unlink", lambda path: None)  # to look at it
    tensor = allocate((4, 5), th.uint8, place, "rows")
    tensor[2] = 9
    (file,) = tmp_path.rglob("*rows*")
    assert file.read_bytes()[10:15] == b"\x09" * 5
    monkeypatch.undo()
    file.unlink()
    other = allocate((4, 5), th.uint8, place, "rows")
    other[2] = 9
    assert other.sum() == 45
    assert not list(tmp_path.iterdir())
