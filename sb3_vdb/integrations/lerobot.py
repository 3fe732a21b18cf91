"""Folders of LeRobot's dataset format v3 as demonstrations, and the other way round, without the
library ``lerobot``.

Steps are rows of ``data/chunk-*/file-*.parquet``; pictures are videos of several episodes each,
whose places ``meta/episodes/chunk-*/file-*.parquet`` tells; ``meta/info.json`` says the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sb3_vdb.arguments import positive_number
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.demonstrations.flat_steps import LastStep
from sb3_vdb.demonstrations.video_files import Frames, read_video
from sb3_vdb.files import expanded, read_json, replacing, write_text
from sb3_vdb.integrations.arrow_arrays import to_arrow
from sb3_vdb.integrations.extras import needed
from sb3_vdb.integrations.hugging_face import read_rows
from sb3_vdb.integrations.step_rows import Rows, episodes_of
from sb3_vdb.transitions import Array, map_parts, parts_of

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
STATE = "observation.state"
TASK = "demonstration"


def from_lerobot(
    folder: str | Path,
    keys: Mapping[str, str] | str | None = None,
    last_step: LastStep = "drop",
) -> Demonstrations:
    """Make demonstrations of a LeRobot dataset on disk.

    LeRobot keeps no observation after the last action, so that the last step of each episode is
    left out. Pictures come from videos, which are lossy, as arrays of shape (height, width, 3).

    :param folder: with ``meta/info.json``
    :param keys: LeRobot's name of each part of the observations, by the part's name; or one name,
        for observations of one part; None for all that begin with ``observation.``, by what follows
    :param last_step: ``"error"`` refuses episodes without a last observation, which all are
    :raises ImportError: pyarrow or the reader of videos is not installed
    :raises ValueError: it is no such dataset, or of another version
    """
    folder = expanded(folder)
    info = _info(folder)
    features = info["features"]
    if keys is None:
        keys = {
            name.removeprefix("observation."): name
            for name in features
            if name.startswith("observation.")
        }
    wanted: Any = keys
    names: list[Any] = list(parts_of(wanted).values())
    if missing := [name for name in names if name not in features]:
        raise ValueError(f"{folder} has no {', '.join(missing)}; it has {', '.join(features)}")
    pa, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    files = sorted((folder / "data").glob("chunk-*/file-*.parquet"))
    if not files:
        raise ValueError(f"{folder} has no data/chunk-*/file-*.parquet; copy it again")
    table = pa.concat_tables([parquet.read_table(each) for each in files]).sort_by("index")
    columns = {name: table.column(name) for name in table.column_names}
    videos = {
        name: _frames(folder, info, name) for name in names if features[name]["dtype"] == "video"
    }
    rows = _rows(pa.table(columns), wanted, videos)
    return Demonstrations(episodes_of(rows, last_step))


def _rows(table: Any, keys: Any, videos: Mapping[str, Frames]) -> Rows:
    """Read the table, with pictures in place."""
    # read_rows needs a column an observation, which videos do not have
    stand_in = next(iter(set(table.column_names) & {"index", "episode_index"}))
    named = map_parts(lambda name: stand_in if name in videos else name, keys)
    rows = read_rows(table, {"observations": named})
    observed = map_parts(lambda name, read: videos.get(name, read), keys, rows.observations)
    for name, part in parts_of(observed).items():
        if len(part) != len(table):
            raise ValueError(
                f"the videos of {name} have {len(part)} frames, and there are {len(table)} steps; "
                "copy the folder again"
            )
    return rows._replace(observations=observed)


def _info(folder: Path) -> dict[str, Any]:
    """Read what the dataset says of itself.

    :raises ValueError: nothing, or it is of another version
    """
    path = folder / "meta" / "info.json"
    if not path.is_file():
        raise ValueError(f"{folder} is no LeRobot dataset: it has no meta/info.json")
    info: dict[str, Any] = read_json(path, dict)
    version = str(info.get("codebase_version", "of no version"))
    if not version.startswith("v3"):
        raise ValueError(
            f"{folder} is a LeRobot dataset {version}, and this reads {VERSION}; convert it with "
            "lerobot's script convert_dataset_v21_to_v30"
        )
    return info


def _frames(folder: Path, info: dict[str, Any], key: str) -> Frames:
    """Read the frames of all episodes, in order.

    :raises ValueError: an episode has fewer frames than steps
    """
    parquet = needed("pyarrow.parquet")
    parts, name = [], f"videos/{key}/"
    opened: tuple[Path, Frames] | None = None  # of one file at a time
    for file in sorted((folder / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        for row in parquet.read_table(file).to_pylist():
            place = {each: row[name + each] for each in ("chunk_index", "file_index")}
            template = info.get("video_path") or VIDEO
            path = folder / template.format(video_key=key, **place)
            if opened is None or opened[0] != path:
                opened = (path, read_video(path).frames)
            first = round(row[name + "from_timestamp"] * info["fps"])
            frames = opened[1][first : first + row["length"]]
            if len(frames) != row["length"]:
                raise ValueError(
                    f"{path} has {len(frames)} frames of episode {row['episode_index']}, which has "
                    f"{row['length']} steps; copy the folder again"
                )
            parts.append(frames)
    return np.concatenate(parts)


def to_lerobot(
    demonstrations: Demonstrations, folder: str | Path, fps: float, task: str = TASK
) -> Path:
    """Write a LeRobot dataset of states and actions.

    The observation after the last action of each episode has no place there and is left out, and
    so is whether an action was repeated. ``next.done`` marks last steps.

    :param demonstrations: with actions, and without pictures
    :param folder: a new one, or an empty one
    :param fps: steps a second
    :param task: what is done, in words
    :return: the folder
    :raises ImportError: pyarrow is not installed
    :raises ValueError: there are no actions, pictures, or files in the folder already
    """
    folder, fps = expanded(folder), positive_number("fps", fps)
    arrays = _writable(demonstrations, folder)
    lengths = [len(each) for each in demonstrations]
    starts = np.cumsum([0, *lengths]).tolist()
    tables = {
        DATA.format(chunk_index=0, file_index=0): needed("pyarrow").concat_tables(
            _table(each, i, starts[i], fps) for i, each in enumerate(demonstrations)
        ),
        **_meta_tables(lengths, starts, task),
    }
    for place, table in tables.items():
        with replacing(folder / place) as file:
            needed("pyarrow.parquet").write_table(table, file)
    write_text(folder / "meta/stats.json", json.dumps(_statistics(demonstrations), indent=2))
    info = _description(arrays, len(lengths), starts[-1], fps)
    write_text(folder / "meta/info.json", json.dumps(info, indent=2))
    return folder


def _writable(demonstrations: Demonstrations, folder: Path) -> dict[str, Array]:
    """Refuse what cannot be written.

    :return: the arrays of the first episode
    :raises ValueError: there are no actions, pictures, or files in the folder already
    """
    if not demonstrations.has_actions:
        raise ValueError("the demonstrations have no actions, and LeRobot's datasets need them")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; give a new folder")
    arrays = _arrays(demonstrations[0])
    for name, values in arrays.items():
        if values.ndim > 2:
            raise ValueError(
                f"{name} has shape {values.shape[1:]} a step, and this writes no pictures"
            )
    return arrays


def _meta_tables(lengths: list[int], starts: list[int], task: str) -> dict[str, Any]:
    """Make the tables of episodes and tasks.

    :param lengths: steps of each episode
    :param starts: first step of each episode, and the number of all steps
    :param task: what is done, in words
    """
    pa, n = needed("pyarrow"), len(lengths)
    places = ("data/chunk", "data/file", "meta/episodes/chunk", "meta/episodes/file")
    episodes = {
        "episode_index": list(range(n)),
        "tasks": [[task]] * n,
        "length": lengths,
        "dataset_from_index": starts[:-1],
        "dataset_to_index": starts[1:],
        **{f"{place}_index": [0] * n for place in places},
    }
    tasks = {"task_index": [0], "__index_level_0__": [task]}
    return {EPISODES: pa.table(episodes), "meta/tasks.parquet": pa.table(tasks)}


def _arrays(trajectory: Trajectory) -> dict[str, Array]:
    """Give the arrays of an episode by LeRobot's names, one row a step, with at least one axis."""
    n, parts = len(trajectory), parts_of(trajectory.observations)
    plain = parts is not trajectory.observations
    arrays = {STATE if plain else f"observation.{name}": each[:n] for name, each in parts.items()}
    arrays["action"] = np.asarray(trajectory.actions)
    arrays = {
        name: each.reshape(n, -1) if each.ndim == 1 else each for name, each in arrays.items()
    }
    if trajectory.rewards is not None:
        arrays["next.reward"] = trajectory.rewards
    return arrays


def _indices(trajectory: Trajectory, number: int, start: int, fps: float) -> dict[str, Array]:
    """Give the columns that every LeRobot dataset has."""
    n = len(trajectory)
    return {
        "next.done": np.arange(n) == n - 1,
        "timestamp": (np.arange(n) / fps).astype(np.float32),
        "frame_index": np.arange(n),
        "episode_index": np.full(n, number),
        "index": np.arange(start, start + n),
        "task_index": np.zeros(n, np.int64),
    }


def _table(trajectory: Trajectory, number: int, start: int, fps: float) -> Any:
    """Make the pyarrow table of an episode."""
    columns = _arrays(trajectory) | _indices(trajectory, number, start, fps)
    return needed("pyarrow").table({name: to_arrow(each) for name, each in columns.items()})


def _description(arrays: dict[str, Array], n: int, n_steps: int, fps: float) -> dict[str, Any]:
    """Say what is in the dataset, as ``meta/info.json``."""
    one = Trajectory(np.zeros(2), np.zeros(1))
    columns = arrays | _indices(one, 0, 0, fps)
    return {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": n,
        "total_frames": n_steps,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(fps) if float(fps).is_integer() else fps,
        "splits": {"train": f"0:{n}"},
        "data_path": DATA,
        "video_path": None,
        "features": {
            name: {
                "dtype": str(each.dtype),
                "shape": list(each.shape[1:]) or [1],
                "names": None,
            }
            for name, each in columns.items()
        },
    }


def _statistics(demonstrations: Demonstrations) -> dict[str, Any]:
    """Give the statistics that policies of LeRobot normalise with."""
    episodes = [_arrays(each) for each in demonstrations]
    statistics = {}
    for name in episodes[0]:
        values = np.concatenate([each[name] for each in episodes]).astype(np.float64)
        values = values.reshape(len(values), -1)
        statistics[name] = {
            "min": values.min(axis=0).tolist(),
            "max": values.max(axis=0).tolist(),
            "mean": values.mean(axis=0).tolist(),
            "std": values.std(axis=0).tolist(),
            "count": [len(values)],
        }
    return statistics
