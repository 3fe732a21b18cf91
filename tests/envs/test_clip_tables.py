"""Clips of one's own as csv and npz tables: what they hold comes back, what is wrong is named."""

import numpy as np
import pytest

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.clips import MotionClip

NAMES = [character.JOINTS[joint].name for joint in character.MOVING]
KINDS = [character.JOINTS[joint].kind for joint in character.MOVING]


def arrays_of(clip):
    frames = clip.frames
    arrays = {"time": frames.times + 5.0, "root_position": frames.root_positions}
    for i, (name, kind) in enumerate(zip(NAMES, KINDS, strict=True)):
        if kind == "hinge":
            vectors = rotations.rotation_vector(frames.rotations[:, i])
            arrays[name] = vectors @ character.HINGE_AXIS
        else:
            arrays[name] = frames.rotations[:, i]
    return arrays


def write_npz(path, arrays):
    np.savez(path, **arrays)
    return path


def write_csv(path, arrays):
    columns = {}
    for name, values in arrays.items():
        if values.ndim == 1:
            columns[name] = values
            continue
        parts = "xyz" if values.shape[1] == 3 else ("qw", "qx", "qy", "qz")
        prefix = name.removesuffix("_position")
        columns |= {f"{prefix}_{part}": values[:, i] for i, part in enumerate(parts)}
    table = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, table, delimiter=",", header=",".join(columns), comments="", fmt="%.12g")
    return path


WRITERS = {".npz": write_npz, ".csv": write_csv}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", ["spinkick", "kick"])
def test_a_table_holds_the_same_motion_as_deepmimics_format(suffix, name, tmp_path):
    clip = MotionClip.load(name)
    again = MotionClip.load(WRITERS[suffix](tmp_path / f"my{suffix}", arrays_of(clip)))
    assert again.loops == clip.loops
    times = np.linspace(0.0, clip.duration * 0.99, 40)
    for mine, theirs in zip(again.state(times), clip.state(times), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_table_can_say_whether_it_repeats(tmp_path):
    arrays = arrays_of(MotionClip.load("walk"))
    path = write_npz(tmp_path / "once.npz", {**arrays, "loops": np.array(0)})
    assert not MotionClip.load(path).loops


def test_a_table_trains_in_the_environment(tmp_path):
    pytest.importorskip("mujoco")
    from sb3_vdb import Demonstrations, make_vec_env

    path = str(write_csv(tmp_path / "my.csv", arrays_of(MotionClip.load("run"))))
    venv = make_vec_env("sb3_vdb/HumanoidMocap-v0", 2, env_kwargs={"clip": path})
    demonstrations = Demonstrations.from_mocap(
        "sb3_vdb/HumanoidMocap-v0", env_kwargs={"clip": path}
    )
    demonstrations.validate(venv.observation_space, venv.action_space, needs_actions=False)
    shipped = Demonstrations.from_mocap("sb3_vdb/HumanoidRun-v0")
    np.testing.assert_allclose(demonstrations[0].observations, shipped[0].observations, atol=1e-4)


def without(name):
    return lambda arrays: arrays.pop(name)


def with_values(name, values):
    return lambda arrays: arrays.update({name: values})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("time"), "has no column time"),
        (without("chest"), "has no column chest_qw; it needs time"),
        (with_values("time", np.zeros(25)), "column time must rise"),
        (with_values("left_knee", np.zeros(3)), "columns differ in length"),
        (with_values("left_knee", np.full(25, np.nan)), "column left_knee, row 0 is not a finite"),
        (with_values("neck", np.ones((25, 4))), "frame 0, rotation of neck has length 2"),
        (with_values("neck", np.ones((25, 3))), r"array neck has shape \(25, 3\)"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(change, message, tmp_path):
    arrays = arrays_of(MotionClip.load("run"))
    change(arrays)
    with pytest.raises(ValueError, match=message):
        MotionClip.load(write_npz(tmp_path / "my.npz", arrays))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("my.csv", "time,root_x\n0,zero\n", "is no csv table of numbers"),
        ("my.csv", "time,root_x\n0,1,2\n1,2,3\n", "2 names in its first line and 3 columns"),
        ("my.npz", "not a zip", "is no npz file of numbers"),
    ],
)
def test_files_of_another_kind_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        MotionClip.load(tmp_path / name)
