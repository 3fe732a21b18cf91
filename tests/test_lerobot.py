"""Folders of LeRobot's format v3 are read and written."""

import json

import numpy as np
import pytest

from sb3_vdb import Demonstrations
from sb3_vdb.integrations.lerobot import from_lerobot, to_lerobot
from tests.data_cases import vectors

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")


def test_all_but_the_last_observations_come_back(tmp_path):
    demos = vectors()[::2]  # an episode of one step has no step left
    read = from_lerobot(to_lerobot(demos, tmp_path / "robot", fps=20), "observation.state")
    assert len(read) == 2
    for ours, theirs in zip(demos, read, strict=True):
        np.testing.assert_array_equal(ours.observations[:-1], theirs.observations)
        np.testing.assert_array_equal(ours.actions[:-1], theirs.actions)
        np.testing.assert_array_equal(ours.rewards[:-1], theirs.rewards)
        assert theirs.observations.dtype == theirs.actions.dtype == np.float32
        assert not theirs.terminal
    assert set(from_lerobot(tmp_path / "robot")[0].observations) == {"state"}


def test_the_folder_says_what_lerobot_asks_for(tmp_path):
    folder = to_lerobot(vectors(), tmp_path / "robot", fps=20, task="walk")
    info = json.loads((folder / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"]) == ("v3.0", 20)
    assert (info["total_episodes"], info["total_frames"]) == (3, 9)
    table = pq.read_table(folder / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(table.column_names) == set(info["features"])
    assert table.column("index").to_pylist() == list(range(9))
    episodes = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet")
    assert episodes.column("dataset_to_index").to_pylist() == [3, 4, 9]
    assert episodes.column("tasks").to_pylist() == [["walk"]] * 3


def test_pictures_come_from_the_videos_of_several_episodes(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    folder = to_lerobot(vectors()[::2], tmp_path / "robot", fps=10)
    key = "observation.images.top"
    info = json.loads((folder / "meta/info.json").read_text())
    info["features"][key] = {"dtype": "video", "shape": [3, 32, 32], "names": None}
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (folder / "meta/info.json").write_text(json.dumps(info))
    path = folder / "videos" / key / "chunk-000" / "file-000.mp4"
    path.parent.mkdir(parents=True)
    writer = ffmpeg.write_frames(str(path), (32, 32), fps=10, macro_block_size=None)
    writer.send(None)
    for i in range(8):
        frame = np.full((32, 32, 3), 20, np.uint8)
        frame[:, : 4 * i] = 220
        writer.send(frame.tobytes())
    writer.close()
    episodes = folder / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(episodes)
    for name, values in {
        "chunk_index": [0, 0],
        "file_index": [0, 0],
        "from_timestamp": [0.0, 0.3],
        "to_timestamp": [0.3, 0.8],
    }.items():
        table = table.append_column(f"videos/{key}/{name}", pa.array(values))
    pq.write_table(table, episodes)
    demos = from_lerobot(folder, {"camera": key, "state": "observation.state"})
    bright = [[float((f > 120).mean()) for f in each.observations["camera"]] for each in demos]
    np.testing.assert_allclose(bright[0], [0, 1 / 8, 2 / 8], atol=0.03)
    np.testing.assert_allclose(bright[1], [3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8], atol=0.03)
    assert demos[0].observations["camera"].dtype == np.uint8


def test_what_is_no_dataset_of_this_version_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no meta/info\.json"):
        from_lerobot(tmp_path)
    folder = to_lerobot(vectors(), tmp_path / "robot", fps=20)
    with pytest.raises(ValueError, match="is not empty"):
        to_lerobot(vectors(), folder, fps=20)
    with pytest.raises(ValueError, match=r"has no observation\.pos; it has"):
        from_lerobot(folder, "observation.pos")
    info = (folder / "meta/info.json").read_text()
    (folder / "meta/info.json").write_text(info.replace("v3.0", "v2.1"))
    with pytest.raises(ValueError, match=r"dataset v2\.1, and this reads v3\.0"):
        from_lerobot(folder)
    pictures = Demonstrations.from_arrays([np.zeros((2, 8, 8, 3), np.uint8)], [np.zeros((1, 1))])
    with pytest.raises(ValueError, match="writes no pictures"):
        to_lerobot(pictures, tmp_path / "other", fps=20)
