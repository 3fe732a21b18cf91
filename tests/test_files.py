"""Every reader checks what it reads, and every writer leaves the old content or the new."""

import io
import json
import os
import pickle
import random
import subprocess
import sys
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
import torch as th

from sb3_vdb import files
from sb3_vdb.array_files import ArrayHeader, open_arrays
from sb3_vdb.array_files import to_bytes as arrays_to_bytes
from sb3_vdb.baselines.behavioural_cloning import ClonedPolicy
from sb3_vdb.class_paths import class_path, find_class, to_plain, warn_of_script
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.experiments.reliability.damage import bomb, members_swapped
from sb3_vdb.files import read_json, read_number, read_text, replacing, write_bytes, write_text
from sb3_vdb.space_dicts import space_from_dict, space_to_dict
from sb3_vdb.tensor_files import load_tensors
from sb3_vdb.tensor_files import to_bytes as tensors_to_bytes
from sb3_vdb.zip_files import unzip, zipped

BOX = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)


def read_arrays(content):
    with open_arrays(io.BytesIO(content), "a.npz") as arrays:
        return {name: arrays.read(name).tolist() for name in arrays.headers}


def read_tensors(content):
    held = load_tensors(content, "t.pt", "test", 1)
    return {name: each.tolist() for name, each in held["weights"].items()}


ARRAYS = arrays_to_bytes({"one": np.arange(5.0), "two": np.zeros((2, 3), np.uint8)})
TENSORS = tensors_to_bytes({"weights": {"a": th.arange(4.0), "b": th.ones(4)}}, "test", 1)
READERS = {
    "zip": (zipped({"a": b"some bytes" * 9, "b": b"others"}), lambda each: unzip(each, "a.zip")),
    "arrays": (ARRAYS, read_arrays),
    "tensors": (TENSORS, read_tensors),
}


# --- reading


@pytest.mark.parametrize("kind", READERS)
def test_changed_bytes_are_refused_or_change_nothing(kind):
    """Case 32, 37: one byte at a time, in members and in what describes them."""
    content, read = READERS[kind]
    sound, messages = read(content), []
    for position in range(0, len(content), max(1, len(content) // 60)):
        for flipped in (1, 0x80, 0xFF):
            changed = bytearray(content)
            changed[position] ^= flipped
            try:
                assert read(bytes(changed)) == sound
            except DamagedFileError as error:
                messages.append(str(error))
    assert len(messages) > 60
    assert all(each.startswith(("a.zip", "a.npz", "t.pt")) for each in messages)


@pytest.mark.parametrize("kind", READERS)
def test_a_truncated_or_longer_file_and_swapped_members_are_refused(kind):
    content, read = READERS[kind]
    changes = [content[:-1], content[: len(content) // 2], b"", content + b"x", bytes(len(content))]
    changes.append(members_swapped(content, random.Random(0)))
    for changed in changes:
        with pytest.raises(DamagedFileError):
            read(changed)


@pytest.mark.parametrize("kind", READERS)
def test_a_bomb_is_refused_before_it_is_inflated(kind, monkeypatch):
    content, read = READERS[kind]
    monkeypatch.setattr("sb3_vdb.experiments.reliability.damage.BOMB", 3_000_000)
    changed = bomb(content, random.Random(0))
    tracemalloc.start()
    with pytest.raises(DamagedFileError):
        read(changed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_without_a_seal_is_read():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, one=np.asfortranarray(np.arange(6.0).reshape(2, 3)), two="text")
    with open_arrays(buffer, "a.npz") as arrays:
        assert arrays.read("one").tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        assert arrays.text("two") == "text"
    buffer = io.BytesIO()
    th.save({"format": "test", "version": 1, "a": th.ones(2)}, buffer)
    assert load_tensors(buffer.getvalue(), "t.pt", "test", 1)["a"].tolist() == [1.0, 1.0]


def test_arrays_of_other_rows_or_types_are_refused():
    with open_arrays(io.BytesIO(ARRAYS), "a.npz") as arrays:
        arrays.check_rows("one", 5)
        for refused in (
            lambda: arrays.check_rows("one", 4),
            lambda: arrays.read("three"),
            lambda: arrays.read("one", ArrayHeader((5,), np.dtype(np.float32))),
            lambda: arrays.counts("one"),
            lambda: arrays.text("one"),
            lambda: arrays.whole("two"),
        ):
            with pytest.raises(DamagedFileError, match=r"a\.npz cannot be read"):
                refused()


def test_objects_in_arrays_are_refused():
    buffer = io.BytesIO()
    np.savez(buffer, one=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DamagedFileError, match="an array of object"):
        read_arrays(buffer.getvalue())


def test_tensors_of_another_format_version_or_without_an_entry_are_refused():
    for arguments, message in (
        (("other", 1), "no other file, but one of 'test'"),
        (("test", 2), "format version 1, this sb3_vdb reads 2"),
    ):
        with pytest.raises(DamagedFileError, match=message):
            load_tensors(TENSORS, "t.pt", *arguments)
    with pytest.raises(DamagedFileError, match="it lacks more"):
        load_tensors(TENSORS, "t.pt", "test", 1, entries={"more": int})
    with pytest.raises(DamagedFileError, match="its entry weights is a dict"):
        load_tensors(TENSORS, "t.pt", "test", 1, entries={"weights": list})


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"1"])
def test_json_that_is_none_names_the_file_and_the_remedy(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"config\.json cannot be read: .*; delete it"):
        read_json(tmp_path / "config.json", dict, "delete it")


def test_a_byte_order_mark_is_no_damage(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n')
    assert read_json(tmp_path / "a.json", dict) == {"a": 1}


@pytest.mark.parametrize("text", ["", "fast", "nan", "inf", "1e999"])
def test_a_number_that_is_none_is_refused(text, tmp_path):
    write_text(tmp_path / "seconds.txt", text)
    with pytest.raises(DamagedFileError, match=r"seconds\.txt"):
        read_number(tmp_path / "seconds.txt")


def test_a_missing_file_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError), files.reading("x"):
        raise FileNotFoundError("x")


# --- writing


def test_a_path_may_begin_with_a_tilde_and_its_folders_are_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_text("~/new/folder/name.txt", "text")
    assert (tmp_path / "new" / "folder" / "name.txt").read_text() == "text"
    assert read_text("~/new/folder/name.txt") == "text"
    assert files.with_default_suffix("~/x", ".pt") == tmp_path / "x.pt"


def test_what_a_killed_process_left_is_removed_by_the_next_save(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".other.npz.{files._HOST}-{dead.pid}.abcd1234"
    others = [
        tmp_path / f".name.{files._HOST}-{os.getppid()}.abcd1234",  # of a process that runs
        tmp_path / f".name.0000abcd-{dead.pid}.abcd1234",  # of another machine
        tmp_path / f".name.{dead.pid}.abcd1234",
    ]
    for path in (left, *others):
        path.touch()
    write_bytes(tmp_path / "name", b"content")
    assert not left.exists()
    assert all(path.exists() for path in others)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "name", b"old")

    def write_half():
        with replacing(tmp_path / "name") as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert (tmp_path / "name").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


# --- policies


def make_policy():
    return ClonedPolicy(BOX, BOX, units=np.int64(4), n_layers=1)


def test_a_policy_comes_back_from_a_file_without_pickle(tmp_path):
    policy = make_policy()
    policy.save(tmp_path / "new" / "policy.pt")
    loaded = ClonedPolicy.load(tmp_path / "new" / "policy.pt", device="cpu")
    observation = np.ones(3, np.float32)
    np.testing.assert_array_equal(loaded.predict(observation)[0], policy.predict(observation)[0])
    assert th.load(tmp_path / "new" / "policy.pt", weights_only=True)["format"] == "sb3_vdb.policy"


def test_a_pickled_policy_is_not_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    th.save({"data": Evil()}, tmp_path / "policy.pt")
    with pytest.raises(DamagedFileError, match=r"policy\.pt"):
        ClonedPolicy.load(tmp_path / "policy.pt")
    (tmp_path / "policy.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DamagedFileError, match=r"policy\.pt"):
        ClonedPolicy.load(tmp_path / "policy.pt")
    assert not (tmp_path / "made").exists()


class OtherPolicy(ClonedPolicy):
    """Another class with the same arguments."""


def test_a_policy_of_another_class_is_refused(tmp_path):
    make_policy().save(tmp_path / "policy.pt")
    with pytest.raises(ValueError, match=r"holds a ClonedPolicy .* load it with ClonedPolicy"):
        OtherPolicy.load(tmp_path / "policy.pt")


def test_an_interrupted_save_leaves_the_policy_before(tmp_path, monkeypatch):
    policy = make_policy()
    policy.save(tmp_path / "policy.pt")
    before = (tmp_path / "policy.pt").read_bytes()
    monkeypatch.setattr(files.os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        policy.save(tmp_path / "policy.pt")
    assert (tmp_path / "policy.pt").read_bytes() == before


@pytest.mark.parametrize(
    "space",
    [
        BOX,
        gym.spaces.Box(0, 255, (2, 2, 3), np.uint8),
        gym.spaces.Box(-np.inf, np.inf, (2,), np.float64),
        gym.spaces.Discrete(3, start=1),
        gym.spaces.MultiDiscrete([2, 3], start=[1, 0]),
        gym.spaces.MultiBinary(3),
        gym.spaces.Dict({"a": BOX, "b": gym.spaces.Discrete(2)}),
    ],
)
def test_spaces_come_back_from_plain_values(space):
    described = json.loads(json.dumps(space_to_dict(space)))
    assert space_from_dict(described) == space


# --- classes


def test_a_module_that_nobody_imported_is_not_run(tmp_path, monkeypatch):
    """Case 38."""
    code = f"import os\nos.mkdir({str(tmp_path / 'made')!r})\nclass Mine(dict): pass\n"
    (tmp_path / "module_of_a_user.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="write `import module_of_a_user` before loading"):
        find_class("module_of_a_user:Mine", dict, "the file")
    assert not (tmp_path / "made").exists()
    import module_of_a_user

    assert find_class("module_of_a_user:Mine", dict, "the file") is module_of_a_user.Mine
    del sys.modules["module_of_a_user"]


def test_classes_of_this_package_and_of_torch_are_found():
    assert find_class(class_path(ClonedPolicy), th.nn.Module, "it") is ClonedPolicy
    assert find_class("torch.nn.modules.activation:ReLU", th.nn.Module, "it") is th.nn.ReLU
    for path in ("os:system", "torch.nn:Nothing", "sb3_vdb.nothing:Nothing", "os:path.join", ":"):
        with pytest.raises(ValueError, match="the file names"):
            find_class(path, th.nn.Module, "the file")


def test_a_class_of_the_running_script_is_warned_of():
    kind = type("Mine", (), {"__module__": "__main__"})
    with pytest.warns(UserWarning, match="Mine is defined in the script that runs"):
        warn_of_script(kind)


def test_numpys_numbers_become_pythons():
    """Case 34: np.float64 is a float, and cannot be read without pickle."""
    values = [np.float64(0.5), np.float32(0.5), np.int64(2), np.bool_(True), np.str_("a")]
    plain = to_plain({"values": values, "more": np.longdouble(1.0)})
    assert plain == {"values": [0.5, 0.5, 2, True, "a"], "more": 1.0}
    assert [type(each) for each in plain["values"]] == [float, float, int, bool, str]
