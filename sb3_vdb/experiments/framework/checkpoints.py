"""Checkpoints of SB3 algorithms that an interruption cannot damage, and from which an on-policy run
goes on exactly.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.files import read_zip, write_bytes
from sb3_vdb.run_state import (
    get_env_state,
    get_random_state,
    set_env_state,
    set_random_state,
    to_arrays,
    to_tensors,
)
from sb3_vdb.tensor_files import load_tensors

Algorithm = TypeVar("Algorithm", bound=OnPolicyAlgorithm)
FORMAT, VERSION = "sb3_vdb.run", 1


def save_model(model: Any, path: Path) -> None:
    """Write an SB3 algorithm, atomically.

    :param model: whatever has SB3's ``save``
    :param path: of the zip file
    """
    buffer = io.BytesIO()
    model.save(buffer)
    write_bytes(path, buffer.getvalue())


def save_run(model: OnPolicyAlgorithm, path: Path) -> None:
    """Write an on-policy algorithm between two rollouts, with its environments and torch's, numpy's
    and Python's random states, atomically.

    :param model: in environments that can say in what state they are
    :param path: of the zip file
    """
    environments: Any = model.get_env()
    state = {"random": get_random_state(), "environments": get_env_state(environments)}
    generator, tensors, content = io.BytesIO(), io.BytesIO(), io.BytesIO()
    model.save(generator)
    th.save({"format": FORMAT, "version": VERSION, "state": to_tensors(state)}, tensors)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model.zip", generator.getvalue())
        archive.writestr("state.pt", tensors.getvalue())
    write_bytes(path, content.getvalue())


def load_run(algorithm: type[Algorithm], path: Path, venv: VecEnv) -> Algorithm:
    """Read what :func:`save_run` wrote; ``learn(..., reset_num_timesteps=False)`` then goes on
    exactly where it stopped.

    :param algorithm: class of what was saved
    :param path: of the zip file
    :param venv: environments like those it was trained in
    :raises ValueError: the file is damaged
    """
    try:
        parts = read_zip(path)
        generator, tensors = parts["model.zip"], parts["state.pt"]
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is no complete checkpoint ({error}); delete it, and its phase begins anew"
        ) from error
    model = algorithm.load(io.BytesIO(generator), env=venv, device="cpu", force_reset=False)
    last = {name: value for name, value in vars(model).items() if name.startswith("_last_")}
    state = to_arrays(load_tensors(tensors, str(path), FORMAT, VERSION)["state"])
    if set_env_state(venv, state["environments"]):
        vars(model).update(last)
    set_random_state(state["random"])
    return model
