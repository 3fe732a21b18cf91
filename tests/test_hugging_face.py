"""Folders of ``datasets`` and imitation's trajectories are read and written without loss."""

import numpy as np
import pytest

from sb3_vdb import Demonstrations
from sb3_vdb.integrations.hugging_face import from_hugging_face, to_hugging_face
from sb3_vdb.integrations.imitation_trajectories import (
    from_imitation,
    save_imitation,
    to_imitation,
)
from tests.data_cases import assert_same, discrete, parts, vectors

datasets = pytest.importorskip("datasets")
CASES = {
    "vectors": vectors(),
    "float64": vectors(np.float64, rewards=False, action_repeat=3),
    "discrete": discrete(),
    "parts": parts(),
    "mocap": Demonstrations.from_arrays([np.eye(3), np.eye(3)[:2]]),
}


@pytest.mark.parametrize("layout", ["episodes", "steps"])
@pytest.mark.parametrize("demos", CASES.values(), ids=CASES)
def test_folders_are_read_as_they_were_written(tmp_path, demos, layout):
    folder = to_hugging_face(demos, tmp_path / "folder", layout)
    assert_same(demos, from_hugging_face(folder))
    dataset = datasets.load_from_disk(str(folder))
    assert_same(demos, from_hugging_face(dataset))
    if layout == "episodes":
        assert_same(demos[1:], from_hugging_face(dataset.select([1, 2][: len(demos) - 1])))


def rows(**columns):
    usual = {
        "episode_index": [0, 0, 0, 1, 1],
        "observation.state": np.arange(10, dtype=np.float32).reshape(5, 2),
        "action": np.arange(5, dtype=np.float32)[:, None],
    }
    return datasets.Dataset.from_dict(
        {name: each for name, each in (usual | columns).items() if each is not None}
    )


def test_rows_of_other_people_are_read_with_their_names():
    keys = {"observations": "observation.state", "actions": "torque", "terminals": "next.done"}
    theirs = rows(torque=[[1.0]] * 5, action=None, **{"next.done": [0, 0, 1, 0, 0]})
    demos = from_hugging_face(theirs, keys, last_step="drop")
    assert [(len(each), each.terminal) for each in demos] == [(2, False), (1, False)]
    np.testing.assert_array_equal(demos[1].observations, [[6, 7], [8, 9]])
    assert set(from_hugging_face(rows(), last_step="drop")[0].observations) == {"state"}


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ({}, None, r'episode 0 ends with an action \(row 2\).*`last_step="drop"`'),
        ({}, {"actions": "torque"}, "there is no column torque; there are episode_index"),
        ({}, {"states": "a"}, "`keys` has 'states'"),
        ({"episode_index": [0, 0, 1, 0, 0]}, None, "episode 0 are not adjacent .again at row 3"),
        ({"action": [[1.0], None, None, [1.0], None]}, None, "row 1 has no action"),
        ({"terminal": [1, 0, 0, 0, 0], "action": [1, 1, None, 1, None]}, None, "row 0 is marked"),
        ({"episode_index": None}, None, "nothing says which columns"),
        ({"action": ["a"] * 5}, None, "column action holds string, no numbers"),
        ({"action": [[1], [1, 2], [1], [1], [1]]}, None, "lists of 1 to 2 entries"),
    ],
)
def test_rows_that_do_not_fit_are_refused(columns, keys, message):
    with pytest.raises(ValueError, match=message):
        from_hugging_face(rows(**columns), keys)


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no folder that datasets' save_to_disk wrote"):
        from_hugging_face(tmp_path / "none")
    with pytest.raises(ValueError, match="has splits train; pass one of them"):
        from_hugging_face(datasets.DatasetDict(train=rows()))
    with pytest.raises(ValueError, match="`source` is a list"):
        from_hugging_face([1])
    with pytest.raises(ValueError, match="`dtypes` names states"):
        from_hugging_face(rows(), last_step="drop", dtypes={"states": "f4"})


class Theirs:
    """As imitation's trajectories."""

    def __init__(self, each):
        self.obs, self.acts, self.rews = each.observations, each.actions, each.rewards
        self.terminal = each.terminal


def test_trajectories_of_imitation_need_not_have_its_class():
    assert_same(vectors(), from_imitation([Theirs(each) for each in vectors()]))
    with pytest.raises(ValueError, match="trajectory 0 is a int"):
        from_imitation([1])
    with pytest.raises(ValueError, match="no actions"):
        save_imitation(CASES["mocap"], "never")
    with pytest.raises(ValueError, match="the observations have parts"):
        save_imitation(parts(), "never")


@pytest.mark.parametrize("demos", [vectors(), discrete(), parts()], ids=["box", "discrete", "dict"])
def test_imitations_trajectories_are_the_same_arrays(demos):
    types = pytest.importorskip("imitation.data.types")
    theirs = to_imitation(demos)
    assert isinstance(theirs[0], types.TrajectoryWithRew)
    assert_same(demos, from_imitation(theirs))


def test_imitation_reads_our_folders_and_we_read_its(tmp_path):
    serialize = pytest.importorskip("imitation.data.serialize")
    ours = vectors()
    theirs = serialize.load(save_imitation(ours, tmp_path / "ours"))
    for mine, each in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.observations, each.obs)
        np.testing.assert_array_equal(mine.actions, each.acts)
        np.testing.assert_array_equal(mine.rewards, each.rews)
        assert mine.terminal == each.terminal
    assert_same(ours, from_imitation(theirs))
    serialize.save(tmp_path / "theirs", to_imitation(ours))
    single = {"observations": "float32", "actions": "float32", "rewards": "float32"}
    assert_same(ours, from_imitation(tmp_path / "theirs", dtypes=single))


def test_old_files_of_imitation_are_not_unpickled(tmp_path):
    (tmp_path / "old.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match="may run any code"):
        from_imitation(tmp_path / "old.pkl")
