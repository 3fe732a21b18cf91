"""Rewards and policies as safetensors, and on the Hugging Face Hub, which a folder stands for."""

import shutil
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch as th

from sb3_vdb import Demonstrations, RecoveredReward, make_vec_env
from sb3_vdb.discriminators import AIRLDiscriminator
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.integrations.hub import from_hub, push_to_hub
from sb3_vdb.integrations.safetensors_files import (
    policy_from_safetensors,
    reward_from_safetensors,
    to_safetensors,
)
from sb3_vdb.pretrained import load_pretrained
from sb3_vdb_envs.maze import WaypointController
from tests.conftest import MAZE

safetensors = pytest.importorskip("safetensors.torch")
huggingface_hub = pytest.importorskip("huggingface_hub")
RUN = "sb3_vdb/HumanoidRun-v0"


@pytest.fixture(scope="module")
def demos():
    venv = make_vec_env(MAZE, 2, seed=1)
    return Demonstrations.from_rollouts(WaypointController("c_maze"), venv, n_episodes=2)


@pytest.fixture
def reward():
    th.manual_seed(0)
    venv = make_vec_env(MAZE, 1)
    made = AIRLDiscriminator(venv.observation_space, venv.action_space)
    return RecoveredReward(made, "g", shift=0.25, scale=2.0).sharpened(0.5)


def test_a_reward_is_the_same_after_it_was_a_file(reward, demos, tmp_path):
    path = to_safetensors(reward, tmp_path / "maze", card="# A maze")
    assert path == tmp_path / "maze.safetensors"
    assert (tmp_path / "maze.md").read_text() == "# A maze"
    loaded = reward_from_safetensors(path)
    transitions = demos.transitions()
    np.testing.assert_array_equal(loaded(transitions), reward(transitions))
    for name in ("description", "observation_space", "power", "capped"):
        assert loaded.content()[name] == reward.content()[name]


def test_a_shipped_policy_is_the_same_after_it_was_a_file(tmp_path):
    policy = load_pretrained(RUN, method="VAIL")
    loaded = policy_from_safetensors(to_safetensors(policy, tmp_path / "run"), RUN)
    seen = np.linspace(-1, 1, policy.observation_space.shape[0], dtype=np.float32)[None]
    np.testing.assert_array_equal(
        loaded.predict(seen, deterministic=True)[0], policy.predict(seen, deterministic=True)[0]
    )


def test_a_file_of_another_kind_is_refused(reward, tmp_path):
    path = to_safetensors(reward, tmp_path / "maze")
    with pytest.raises(DamagedFileError, match=r"maze.safetensors.*no sb3_vdb policy file"):
        policy_from_safetensors(path, RUN)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match=r"maze.safetensors"):
        reward_from_safetensors(path)
    safetensors.save_file({"a": th.zeros(1)}, path)
    with pytest.raises(DamagedFileError, match="was not written by sb3_vdb"):
        reward_from_safetensors(path)
    with pytest.raises(ValueError, match="can be written, got int"):
        to_safetensors(3, path)


class FolderApi:
    """The methods of the Hub that are called, with a folder in its place."""

    root: Path

    def __init__(self, token=None):
        self.token = token

    def create_repo(self, repo_id, private, exist_ok):
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, folder_path, repo_id, commit_message):
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return "commit"

    def upload_file(self, path_or_fileobj, path_in_repo, repo_id, commit_message):
        is_path = not isinstance(path_or_fileobj, bytes)
        content = Path(path_or_fileobj).read_bytes() if is_path else path_or_fileobj
        (self.root / repo_id / path_in_repo).write_bytes(content)
        return "commit"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    root = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub, "HfApi", type("Api", (FolderApi,), {"root": root}))
    monkeypatch.setattr(
        huggingface_hub,
        "hf_hub_download",
        lambda repo_id, filename, revision, token: str(root / repo_id / filename),
    )
    return root


def test_what_is_pushed_comes_back(reward, demos, hub, tmp_path):
    path = to_safetensors(reward, tmp_path / "maze", card="# A maze")
    assert push_to_hub(path, "me/maze") == "commit"
    assert (hub / "me" / "maze" / "README.md").read_text().endswith("# A maze")
    for repository in ("me/maze", hub / "me" / "maze"):
        loaded = reward_from_safetensors(from_hub(repository, "maze.safetensors"))
        np.testing.assert_array_equal(loaded(demos.transitions()), reward(demos.transitions()))


def test_a_folder_is_pushed(demos, hub, tmp_path):
    demos.save(tmp_path / "data" / "maze.npz")
    push_to_hub(tmp_path / "data", "me/data")
    loaded = Demonstrations.load(from_hub("me/data", "maze.npz"))
    np.testing.assert_array_equal(loaded.transitions().actions, demos.transitions().actions)


def test_the_calls_are_those_of_the_library():
    from huggingface_hub.hf_api import HfApi

    for name in ("create_repo", "upload_folder", "upload_file"):
        ours = set(signature(getattr(FolderApi, name)).parameters)
        assert ours <= set(signature(getattr(HfApi, name)).parameters), name


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="save something first"):
        push_to_hub(tmp_path / "nothing", "me/maze")
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"has no b.npz; it has a.npz"):
        from_hub(tmp_path, "b.npz")
