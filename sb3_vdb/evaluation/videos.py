"""Videos of a policy at work."""

from __future__ import annotations

import io
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v2 as imageio
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb.acting import Predictor, RandomActions, steps
from sb3_vdb.arguments import whole_number
from sb3_vdb.environments import registered_id
from sb3_vdb.files import write_bytes

SUFFIXES = (".mp4", ".gif")


def record_video(
    env_id: str,
    policy: Predictor | None,
    path: str | Path,
    seconds: float = 10.0,
    seed: int = 0,
    env_kwargs: dict[str, Any] | None = None,
    every: int = 1,
) -> Path:
    """Play an environment and write what it renders; episodes that end start anew.

    :param env_id: an id that renders ``rgb_array``
    :param policy: acts deterministically; None for random actions
    :param path: ``.mp4`` or ``.gif``
    :param seconds: length, at the environment's own frame rate
    :param seed: of the environment
    :param env_kwargs: arguments of the environment
    :param every: frames of the environment for one of the video (smaller files, same speed)
    :return: the path
    :raises ValueError: unknown suffix or id, a seed that is none, or no frame to record
    """
    path = Path(path)
    check_video_path(path)
    if every < 1:
        raise ValueError(f"`every` must be at least 1 frame, got {every}")
    seed = whole_number("seed", seed, 0)
    env = gym.make(registered_id(env_id), render_mode="rgb_array", **(env_kwargs or {}))
    rate = float(env.metadata.get("render_fps", 30))
    n_frames = round(seconds * rate)
    if n_frames < 1:
        raise ValueError(f"`seconds` must be at least one frame (1/{rate:g} s), got {seconds}")
    camera = _Camera(env, every)
    venv = DummyVecEnv([lambda: camera])
    venv.seed(seed)
    actor = RandomActions(env.action_space, seed) if policy is None else policy
    try:
        with closing(steps(actor, venv)) as played:
            for _ in islice(played, n_frames):
                pass
    finally:
        venv.close()
    write_bytes(path, encode(camera.frames, path.suffix, rate / every))
    return path


class _Camera(gym.Wrapper[Any, Any, Any, Any]):
    """Renders before every n-th step.

    :param env: renders ``rgb_array``
    :param every: n
    """

    def __init__(self, env: gym.Env[Any, Any], every: int) -> None:
        super().__init__(env)
        self.frames: list[npt.NDArray[np.uint8]] = []
        self._every, self._n_steps = every, 0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if self._n_steps % self._every == 0:
            self.frames.append(np.asarray(self.env.render()))
        self._n_steps += 1
        return self.env.step(action)


def check_video_path(path: Path) -> None:
    """Refuse what cannot be written, before anything is played.

    :raises ValueError: unknown suffix
    :raises ImportError: the encoder of ``.mp4`` is missing
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a video must end in {' or '.join(SUFFIXES)}, got {path.name!r}")
    if path.suffix == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise ImportError(
                'writing .mp4 needs imageio-ffmpeg: pip install "sb3-vdb[humanoid]"; or write a '
                ".gif"
            ) from error


def encode(frames: list[npt.NDArray[np.uint8]], suffix: str, rate: float) -> bytes:
    """Encode frames as the content of a video file.

    :param frames: each of shape (height, width, 3)
    :param suffix: ``".mp4"`` or ``".gif"``
    :param rate: frames a second
    """
    buffer = io.BytesIO()
    if suffix == ".gif":
        settings: dict[str, Any] = {"format": "gif", "duration": 1000.0 / rate, "loop": 0}
    else:
        settings = {"format": "mp4", "fps": rate, "macro_block_size": 2}
    imageio.mimsave(buffer, frames, **settings)  # type: ignore[arg-type]
    return buffer.getvalue()
