"""Demonstrations are counted, split and drawn."""

import numpy as np
import pytest
from PIL import Image

from sb3_vdb import Demonstrations
from sb3_vdb.demonstrations.pictures import write_sheet
from tests.vmail.small import make_demonstrations


def make(lengths=(3, 5, 4), **kwargs):
    return Demonstrations.from_arrays(
        [np.full((n + 1, 2), n, np.float32) for n in lengths],
        [np.full((n, 1), -n) for n in lengths],
        [np.ones(n, np.float32) for n in lengths],
        [True] + [False] * (len(lengths) - 1),
        **kwargs,
    )


def test_a_summary_counts_what_there_is():
    summary = make(action_repeat=2).summary()
    assert (summary.n_episodes, summary.n_steps) == (3, 12)
    assert summary.lengths == (3, 4, 5)
    assert summary.returns == (3.0, 4.0, 5.0)
    assert summary.parts["observations"] == ("float32", (2,), 3.0, 5.0)
    assert summary.parts["actions"] == ("int64", (1,), -5.0, -3.0)
    assert summary.terminal_share == pytest.approx(1 / 3)
    assert summary.action_repeats == (2,)
    assert summary.megabytes == pytest.approx((15 * 2 * 4 + 12 * 8 + 12 * 4) / 1e6)
    lines = str(summary).splitlines()
    assert lines[2].split(maxsplit=1) == ["lengths", "3 to 5, median 4"]
    assert lines[-1].split(maxsplit=1) == ["rewards", "float32, one number, from 1 to 1"]


def test_a_summary_names_parts_and_says_what_is_unknown():
    summary = make_demonstrations("both").summary()
    assert {"observations/camera", "observations/robot.pos"} <= set(summary.parts)
    without = Demonstrations.from_arrays([np.zeros((2, 1))]).summary()
    assert without.returns is None
    assert "returns        unknown" in str(without)


def test_demonstrations_are_split_by_whole_episodes():
    demos = make(range(1, 11))
    first, second = demos.split(0.7, seed=3)
    assert (len(first), len(second)) == (7, 3)
    lengths = [len(each) for each in first], [len(each) for each in second]
    assert sorted(lengths[0] + lengths[1]) == list(range(1, 11))
    assert lengths == tuple([len(each) for each in part] for part in demos.split(7, seed=3))
    assert lengths != tuple([len(each) for each in part] for part in demos.split(7, seed=4))
    assert lengths[0] == sorted(lengths[0])
    assert first[0] is demos[lengths[0][0] - 1]


@pytest.mark.parametrize("share", [0, 10, 0.01, 1.0, -0.5, True])
def test_a_split_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match="leaves one of both sets empty, of 10 episodes"):
        make(range(1, 11)).split(share)


def test_demonstrations_are_drawn(tmp_path):
    for demos in (make(), make_demonstrations("both"), Demonstrations.from_arrays([np.eye(3)])):
        path = demos.plot(tmp_path / "figure")
        assert path.suffix == ".png"
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("L")).std() > 0


def test_pictures_are_shown_on_a_sheet(tmp_path):
    with Image.open(write_sheet(make_demonstrations("both", n=2), tmp_path / "sheet")) as picture:
        assert np.asarray(picture).std() > 0
    with pytest.raises(ValueError, match="no pictures"):
        write_sheet(make(), tmp_path / "none.png")
