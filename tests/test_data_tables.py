"""Tables in csv and parquet files are read and written without loss."""

import numpy as np
import pytest

from sb3_vdb import Demonstrations, Trajectory
from sb3_vdb.integrations.tables import from_csv, from_parquet, to_csv, to_parquet
from tests.data_cases import assert_same, discrete, parts, vectors

pytest.importorskip("pyarrow")
WAYS = {"csv": (to_csv, from_csv), "parquet": (to_parquet, from_parquet)}
EXTREMES = np.array([[0.1, 1e-38], [1 / 3, 3.4e38], [-0.0, 16777217]], np.float32)
CASES = {
    "vectors": vectors(),
    "float64": vectors(np.float64, action_repeat=4),
    "no rewards": vectors(rewards=False),
    "discrete": discrete(),
    "parts": parts(),
    "extremes": Demonstrations([Trajectory(EXTREMES, EXTREMES[:2].astype(np.float64))]),
    "mocap": Demonstrations.from_arrays([np.eye(3), np.eye(3)[:2]]),
    "matrices": Demonstrations.from_arrays([np.arange(36).reshape(3, 4, 3)], [[[True], [False]]]),
    "large": Demonstrations.from_arrays([np.array([2**53 + 1, 2**62, -1])], [[1, 2]]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("demos", CASES.values(), ids=CASES)
def test_tables_are_read_as_they_were_written(tmp_path, way, demos):
    write, read = WAYS[way]
    assert_same(demos, read(write(demos, tmp_path / f"demos.{way}")))


def write(path, text):
    path.write_text(text.replace(" ", "").replace("|", "\n"))
    return path


def test_tables_of_other_people_are_read_with_their_names(tmp_path):
    path = write(tmp_path / "a.csv", "run,x,y,u,done|a,0,1,.5,0|a,1,2,.5,1|b,3,4,.5,0|b,4,5,.5,0|")
    columns = {"episode": "run", "observation": ["y", "x"], "action": ["u"], "terminal": "done"}
    demos = from_csv(path, columns, last_step="drop", dtypes={"observations": "float32"})
    assert [(len(each), each.terminal) for each in demos] == [(1, False), (1, False)]
    np.testing.assert_array_equal(demos[0].observations, np.array([[1, 0], [2, 1]], np.float32))
    assert demos[0].observations.dtype == np.float32
    assert demos[0].actions.shape == (1, 1)
    named = {"episode": "run", "observation.pos": ["x"], "observation.v": "y"}
    assert set(from_csv(path, named)[0].observations) == {"pos", "v"}


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b|1,2|", None, "nothing says which columns are the episode and the observations"),
        ("episode,observation_0|0,1|", {"action": "u"}, "there is no column u"),
        ("episode,observation_0|0,1|", {"act": "u"}, "`columns` has 'act'"),
        ("episode,observation_0|0,x|0,1|", None, "column observation_0 holds something else"),
        ("episode,observation_0|0,|0,1|", None, "row 0 has no observation"),
        ("episode,observation_0|0,1|1,1|", None, "every episode has a single row"),
        ("episode,observation_0|0,1,2|", None, "rows of another length"),
        ("episode,observation_0,action_0|0,1,1|0,1,1|", None, "ends with an action"),
        ("episode,observation_0,action_0,action_1|0,1,1,|0,1,,|", None, "row 0 has only some of"),
        ("episode,observation_0|", None, "there are no rows"),
        ("", None, "nothing says which columns"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, text, columns, message):
    with pytest.raises(ValueError, match=message):
        from_csv(write(tmp_path / "bad.csv", text), columns)


def test_pictures_are_no_table(tmp_path):
    pictures = Demonstrations.from_arrays([np.zeros((2, 64, 64, 3), np.uint8)])
    with pytest.raises(ValueError, match="has 12288 entries a step"):
        to_csv(pictures, tmp_path / "a.csv")
    with pytest.raises(ValueError, match="the part 'pos_1' cannot be told"):
        to_parquet(Demonstrations.from_arrays([{"pos_1": np.eye(2)}]), tmp_path / "a.parquet")
