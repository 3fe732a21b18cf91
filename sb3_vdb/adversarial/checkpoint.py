"""The file of a trainer: one zip with the generator in SB3's format and everything else without
pickle.

=================== =====================================================================
``trainer.json``    format, classes, settings, counters, dual variable, versions
``tensors.pt``      discriminator, its optimiser, random generators, environments, replay
``generator.zip``   the SB3 algorithm
``demonstrations``  an ``.npz`` file
=================== =====================================================================
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.rounds import Rounds
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.class_paths import class_path, find_class
from sb3_vdb.demonstrations import Demonstrations, npz
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.files import read_zip, with_default_suffix, write_bytes
from sb3_vdb.run_state import (
    get_buffer_state,
    get_env_state,
    get_random_state,
    set_buffer_state,
    set_env_state,
    set_random_state,
    to_arrays,
    to_tensors,
)
from sb3_vdb.tensor_files import load_tensors
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vec_env import below_normalize
from sb3_vdb.version import __version__

FORMAT, VERSION = "sb3_vdb.trainer", 2
PARTS = ("discriminator", "generator")


class Trainer(Protocol):
    """The parts of an adversarial trainer that its file holds."""

    gen_algo: BaseAlgorithm
    venv: VecEnv
    settings: AdversarialSettings
    discriminator: Discriminator
    demonstrations: Demonstrations
    dual: DualVariable | None
    rounds: Rounds
    device: th.device


def save(trainer: Trainer, path: str | Path) -> Path:
    """Write the trainer's file; see :meth:`AdversarialTrainer.save`."""
    path = with_default_suffix(path, ".zip")
    generator, tensors = io.BytesIO(), io.BytesIO()
    trainer.gen_algo.save(generator)
    th.save(_tensors(trainer), tensors)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("trainer.json", json.dumps(_description(trainer), indent=1))
        archive.writestr("tensors.pt", tensors.getvalue())
        archive.writestr("generator.zip", generator.getvalue())
        archive.writestr("demonstrations.npz", npz.to_bytes(tuple(trainer.demonstrations)))
    write_bytes(path, content.getvalue())
    return path


def _description(trainer: Trainer) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "class": class_path(type(trainer)),
        "generator_class": class_path(type(trainer.gen_algo)),
        "n_envs": trainer.venv.num_envs,
        "settings": trainer.settings.to_dict(),
        "devices": {
            "discriminator": str(trainer.device),
            "generator": str(trainer.gen_algo.device),
        },
        "dual": trainer.dual.state_dict() if trainer.dual else None,
        "rounds": trainer.rounds.state_dict(),
        "versions": {
            "sb3_vdb": __version__,
            "stable_baselines3": sb3.__version__,
            "gymnasium": gym.__version__,
            "torch": th.__version__,
        },
    }


def _tensors(trainer: Trainer) -> dict[str, Any]:
    buffer = getattr(trainer.gen_algo, "replay_buffer", None)
    state = {
        "random": get_random_state(),
        "environments": get_env_state(trainer.venv),
        "replay": get_buffer_state(buffer) if buffer is not None else None,
        "action_space": trainer.gen_algo.action_space.np_random.bit_generator.state,
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "description": trainer.discriminator.describe(),
        "discriminator": trainer.discriminator.state_dict(),
        "disc_optimizer": trainer.rounds.learner.optimizer.state_dict(),
        "state": to_tensors(state),
    }


class SavedRun(NamedTuple):
    """The content of a trainer's file, ready to be put into a trainer.

    :param demonstrations: of the run
    :param generator: the SB3 algorithm, in the new environments
    :param settings: numbers of the run
    :param make_discriminator: makes a discriminator of the run's shape, with fresh weights
    :param dual: dual variable; None for no bottleneck
    :param description: content of ``trainer.json``
    :param tensors: content of ``tensors.pt``
    :param last: what the generator remembers of its last step, which a new environment makes it
        forget
    """

    demonstrations: Demonstrations
    generator: BaseAlgorithm
    settings: AdversarialSettings
    make_discriminator: Callable[[], Discriminator]
    dual: DualVariable | None
    description: dict[str, Any]
    tensors: dict[str, Any]
    last: dict[str, Any]

    def arguments(self, venv: VecEnv) -> tuple[Any, ...]:
        """Give what a trainer is set up from, in environments to go on in."""
        suffix = f"_from_{self.generator.num_timesteps}"  # of its logs
        before, after = (self.demonstrations, venv), (self.make_discriminator, self.dual, suffix)
        return (*before, self.generator, self.settings, *after)

    def restore(self, trainer: Trainer) -> None:
        """Give a trainer that was set up from it the weights, counters and states of the run."""
        generator, state = self.generator, to_arrays(self.tensors["state"])
        trainer.discriminator.load_state_dict(self.tensors["discriminator"])
        trainer.rounds.learner.optimizer.load_state_dict(self.tensors["disc_optimizer"])
        trainer.rounds.load_state_dict(self.description["rounds"])
        generator.action_space.np_random.bit_generator.state = state["action_space"]
        if state["replay"] is not None:
            set_buffer_state(generator.replay_buffer, state["replay"])  # type: ignore[attr-defined]
        if set_env_state(trainer.venv, state["environments"]):
            vars(generator).update(self.last)
        set_random_state(state["random"])


def read(kind: type, path: str | Path, venv: VecEnv, device: th.device | str | None) -> SavedRun:
    """Read a trainer's file; see :meth:`AdversarialTrainer.load`.

    :param kind: class of the trainer
    :param path: of the file
    :param venv: environments to go on in
    :param device: of generator and discriminator; None for where they were
    """
    path = with_default_suffix(path, ".zip")
    description, parts = _read(path)
    _check_fits(kind, description, venv, path)
    tensors = load_tensors(parts["tensors.pt"], f"tensors.pt in {path}", FORMAT, VERSION, "cpu")
    devices = description["devices"] if device is None else dict.fromkeys(PARTS, str(device))
    generator = _load_generator(description, parts["generator.zip"], venv, devices, path)
    source = f"demonstrations.npz in {path}"
    spaces = below_normalize(venv).observation_space, venv.action_space
    return SavedRun(
        Demonstrations(npz.from_bytes(parts["demonstrations.npz"], source)),
        generator,
        AdversarialSettings(**{**description["settings"], "device": devices["discriminator"]}),
        partial(Discriminator.rebuild, tensors["description"], *spaces, str(path)),
        None if description["dual"] is None else DualVariable.from_state(description["dual"]),
        description,
        tensors,
        {name: value for name, value in vars(generator).items() if name.startswith("_last_")},
    )


def _check_fits(kind: type, description: dict[str, Any], venv: VecEnv, path: Path) -> None:
    """Refuse a file of another class, or environments unlike the run's.

    :raises ValueError: naming what differs
    """
    if description["class"] != class_path(kind):
        held, name = description["class"], description["class"].partition(":")[2]
        raise ValueError(
            f"{path} holds a {name} ({held}), no {kind.__name__} ({class_path(kind)}); load it "
            f"with {name}.load"
        )
    if not isinstance(venv, VecEnv):
        raise ValueError(f"`venv` must be an SB3 VecEnv, got {type(venv).__name__}")
    if venv.num_envs != description["n_envs"]:
        raise ValueError(
            f"`venv` has {venv.num_envs} environments, the run in {path} had "
            f"{description['n_envs']}; make as many"
        )


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the description and the parts of a trainer's file.

    :raises ValueError: truncated, not ours, or of a later version
    """
    try:
        parts = read_zip(path)
    except ValueError as error:
        raise ValueError(f"{error}; use an earlier checkpoint") from error
    try:
        description = json.loads(parts["trainer.json"])
    except (KeyError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is no trainer file of sb3_vdb; "
            "SB3's own files are read with their algorithm's load()"
        ) from error
    if description.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no trainer file of sb3_vdb (format {description.get('format')!r})"
        )
    if description["version"] != VERSION:
        raise ValueError(
            f"{path} has format version {description['version']} (written by sb3_vdb "
            f"{description['versions']['sb3_vdb']}), this one reads {VERSION}; use the one that "
            "wrote it"
        )
    missing = {"tensors.pt", "generator.zip", "demonstrations.npz"} - set(parts)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; use an earlier checkpoint")
    return description, parts


def _load_generator(
    description: dict[str, Any],
    content: bytes,
    venv: VecEnv,
    devices: dict[str, str],
    path: Path,
) -> BaseAlgorithm:
    algorithm: Any = find_class(description["generator_class"], BaseAlgorithm, str(path))
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError(f"generator.zip in {path} is damaged; use an earlier checkpoint")
    try:
        generator: BaseAlgorithm = algorithm.load(
            io.BytesIO(content), env=venv, device=devices["generator"], force_reset=False
        )
    except (ValueError, AssertionError) as error:
        raise ValueError(f"`venv` does not fit the generator in {path}: {error}") from error
    return generator


def read_generator(
    path: str | Path, device: th.device | str
) -> tuple[BaseAlgorithm, str, list[dict[str, Any] | None]]:
    """Read the generator of a trainer's file without environments, to act with it.

    :param path: of the file
    :param device: of its networks
    :return: the generator, the name of the trainer's class, and the states of the environments'
        layers, outermost first, of which one may have the statistics of a VecNormalize
    """
    path = with_default_suffix(path, ".zip")
    description, parts = _read(path)
    tensors = load_tensors(parts["tensors.pt"], f"tensors.pt in {path}", FORMAT, VERSION, "cpu")
    kind: Any = find_class(description["generator_class"], BaseAlgorithm, str(path))
    try:
        generator: BaseAlgorithm = kind.load(io.BytesIO(parts["generator.zip"]), device=device)
    except (ValueError, AssertionError) as error:
        raise ValueError(f"generator.zip in {path} is damaged: {error}") from error
    name = description["class"].partition(":")[2]
    return generator, name, to_arrays(tensors["state"])["environments"]
