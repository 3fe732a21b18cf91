"""Minari's datasets are read and written without loss."""

import numpy as np
import pytest

from sb3_vdb import Demonstrations, make_vec_env
from sb3_vdb.integrations.minari_datasets import from_minari, to_minari
from tests.conftest import MAZE
from tests.data_cases import assert_same, discrete, parts, vectors

minari = pytest.importorskip("minari")
pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


@pytest.mark.parametrize(
    "demos",
    [vectors(), vectors(np.float64, action_repeat=3), discrete(), parts()],
    ids=["vectors", "float64", "discrete", "parts"],
)
def test_datasets_are_read_as_they_were_written(demos):
    to_minari(demos, "test/demos-v0", description="for a test")
    assert_same(demos, from_minari("test/demos-v0"))
    dataset = minari.load_dataset("test/demos-v0")
    assert dataset.total_steps == demos.n_steps
    assert_same(demos, from_minari(dataset))
    last = list(dataset.iterate_episodes())[1]
    assert bool(last.truncations[-1]) != demos[1].terminal


def test_the_environments_spaces_are_written_and_compared(demos):
    dataset = to_minari(demos, "maze/random-v0", env_id=MAZE)
    assert dataset.observation_space == make_vec_env(MAZE, 1).observation_space
    assert dataset.spec.env_spec.id == MAZE
    assert_same(demos, from_minari(dataset))
    with pytest.raises(ValueError, match=r"each observation has shape \(4,\)"):
        to_minari(vectors(), "maze/other-v0", env_id=MAZE)


def test_what_minari_needs_is_asked_for():
    with pytest.raises(ValueError, match="no actions"):
        to_minari(Demonstrations.from_arrays([np.zeros((2, 1))]), "test/a-v0")
    demos = vectors(rewards=False)
    with pytest.raises(ValueError, match="give `missing_reward`"):
        to_minari(demos, "test/b-v0")
    read = from_minari(to_minari(demos, "test/c-v0", missing_reward=0.0))
    assert_same(demos, read, rewards=False)
    assert read.returns.tolist() == [0.0] * 3


def test_a_dataset_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="minari download no/such-v0"):
        from_minari("no/such-v0")
