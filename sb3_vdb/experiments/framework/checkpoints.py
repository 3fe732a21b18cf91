"""Checkpoints of SB3 algorithms that an interruption cannot damage, and from which an on-policy run
goes on exactly; an off-policy one as well, with its replay buffer.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.files import reading, write_bytes
from sb3_vdb.run_state import (
    get_env_state,
    get_random_state,
    set_env_state,
    set_random_state,
    to_arrays,
    to_tensors,
)
from sb3_vdb.tensor_files import load_tensors, to_bytes
from sb3_vdb.zip_files import check_zip, read_zip, sealed, zipped

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)
FORMAT, VERSION = "sb3_vdb.run", 1
ANEW = "delete it, and its phase begins anew"


def save_model(model: Any, path: Path) -> None:
    """Write an SB3 algorithm, atomically.

    :param model: whatever has SB3's ``save``
    :param path: of the zip file
    """
    buffer = io.BytesIO()
    model.save(buffer)
    write_bytes(path, sealed(buffer.getvalue()))


def load_model(algorithm: type[Any], path: Path, env: VecEnv | None = None) -> Any:
    """Read what :func:`save_model` wrote, all of whose members are whole.

    :param algorithm: class of what was saved
    :param path: of the zip file
    :param env: environments to go on in; None to predict only
    :raises DamagedFileError: the file is damaged
    """
    content = io.BytesIO(path.read_bytes())
    check_zip(content, path, ANEW)
    return algorithm.load(content, env=env, device="cpu")


def save_run(model: BaseAlgorithm, path: Path) -> None:
    """Write an algorithm between two rollouts, with its environments and torch's, numpy's
    and Python's random states, atomically; an off-policy one without its replay buffer.

    :param model: in environments that can say in what state they are
    :param path: of the zip file
    """
    environments: Any = model.get_env()
    state = {"random": get_random_state(), "environments": get_env_state(environments)}
    generator = io.BytesIO()
    model.save(generator)
    tensors = to_bytes({"state": to_tensors(state)}, FORMAT, VERSION)
    write_bytes(path, zipped({"model.zip": generator.getvalue(), "state.pt": tensors}))


def load_run(algorithm: type[Algorithm], path: Path, venv: VecEnv) -> Algorithm:
    """Read what :func:`save_run` wrote; ``learn(..., reset_num_timesteps=False)`` then goes on
    exactly where it stopped.

    :param algorithm: class of what was saved
    :param path: of the zip file
    :param venv: environments like those it was trained in
    :raises DamagedFileError: the file is damaged
    """
    parts = read_zip(path, ANEW)
    with reading(path, ANEW):
        generator, tensors = io.BytesIO(parts["model.zip"]), parts["state.pt"]
    check_zip(generator, f"model.zip in {path}", ANEW)
    model = algorithm.load(generator, env=venv, device="cpu", force_reset=False)
    last = {name: value for name, value in vars(model).items() if name.startswith("_last_")}
    source = f"state.pt in {path}"
    held = load_tensors(tensors, source, FORMAT, VERSION, entries={"state": dict}, remedy=ANEW)
    state = to_arrays(held["state"])
    if set_env_state(venv, state["environments"]):
        vars(model).update(last)
    set_random_state(state["random"])
    return model
