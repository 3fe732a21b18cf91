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
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.rounds import Rounds
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.adversarial.training_venv import TrainingRewardVecEnv, absent, spaces_of
from sb3_vdb.class_paths import class_path, find_class, warn_of_script
from sb3_vdb.demonstrations import Demonstrations, npz
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.files import (
    check_entries,
    damaged,
    parse_json,
    reading,
    with_default_suffix,
    write_bytes,
)
from sb3_vdb.replay_state import get_buffer_state, set_buffer_state
from sb3_vdb.run_state import (
    get_env_state,
    get_memory,
    get_random_state,
    set_env_state,
    set_memory,
    set_random_state,
    to_arrays,
    to_tensors,
)
from sb3_vdb.tensor_files import load_tensors, load_weights, to_bytes
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vec_env import below_normalize
from sb3_vdb.version import __version__
from sb3_vdb.zip_files import check_zip, read_zip, zipped

FORMAT, VERSION = "sb3_vdb.trainer", 2
PARTS = ("discriminator", "generator")
EARLIER = "use an earlier checkpoint"
# what is in trainer.json and in tensors.pt
DESCRIPTION = {
    "version": int,
    "class": str,
    "generator_class": str,
    "n_envs": int,
    "settings": dict,
    "devices": dict,
    "dual": (dict, type(None)),
    "rounds": dict,
    "versions": dict,
}
TENSORS = {"description": dict, "discriminator": dict, "disc_optimizer": dict, "state": dict}


class Trainer(Protocol):
    """The parts of an adversarial trainer that its file holds."""

    gen_algo: BaseAlgorithm
    venv: VecEnv
    reward_venv: TrainingRewardVecEnv
    settings: AdversarialSettings
    discriminator: Discriminator
    demonstrations: Demonstrations
    dual: DualVariable | None
    rounds: Rounds
    device: th.device
    is_within_step: bool

    @property
    def is_on_policy(self) -> bool:
        """Whether the generator learns from whole rollouts."""


def save(trainer: Trainer, path: str | Path) -> Path:
    """Write the trainer's file; see :meth:`AdversarialTrainer.save`."""
    if trainer.is_within_step and not trainer.is_on_policy:
        raise ValueError(
            f"`save` was called by a step callback, before {type(trainer.gen_algo).__name__} has "
            "stored the step; use TrainerCheckpoint, or save in `_on_rollout_start`, so that the "
            "run goes on exactly"
        )
    path = with_default_suffix(path, ".zip")
    buffer = getattr(trainer.gen_algo, "replay_buffer", None)
    outside = {
        "environments": get_env_state(trainer.venv),
        "replay": get_buffer_state(buffer) if buffer is not None else None,
        "spaces": spaces_of(trainer.reward_venv),
    }
    members = {
        **_members(trainer, outside),
        "demonstrations.npz": npz.to_bytes(tuple(trainer.demonstrations)),
    }
    write_bytes(path, zipped(members))
    return path


def check_can_be_saved(trainer: Trainer) -> None:
    """Build what a file will hold but for environments, replay and demonstrations, so that what no
    file can hold is refused when a run is made, not when it is saved.

    :raises ValueError: naming what it is
    """
    for each in (trainer, trainer.gen_algo, trainer.discriminator):
        warn_of_script(type(each))
    try:
        _members(trainer, {"environments": None, "replay": None, "spaces": None})
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise ValueError(
            f"`gen_algo` or an argument has something that no file can hold ({error}); what it is "
            "made of has to be picklable"
        ) from error


def _members(trainer: Trainer, outside: dict[str, Any]) -> dict[str, bytes]:
    """Return the parts of the file but for the demonstrations.

    :param trainer: what is written
    :param outside: states of environments and replay buffer, and the environments' spaces
    """
    generator = io.BytesIO()
    trainer.gen_algo.save(generator)
    description = json.dumps(_description(trainer), indent=1, default=_plain)
    return {
        "trainer.json": description.encode(),
        "tensors.pt": to_bytes(_tensors(trainer, outside), FORMAT, VERSION),
        "generator.zip": generator.getvalue(),
    }


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


def _tensors(trainer: Trainer, outside: dict[str, Any]) -> dict[str, Any]:
    state = {
        "random": get_random_state(),
        **outside,
        "action_space": trainer.gen_algo.action_space.np_random.bit_generator.state,
        "memory": get_memory(trainer.gen_algo),
    }
    return {
        "description": trainer.discriminator.describe(),
        "discriminator": trainer.discriminator.state_dict(),
        "disc_optimizer": trainer.rounds.learner.optimizer.state_dict(),
        "state": to_tensors(state),
    }


def _plain(value: Any) -> Any:
    """Return one of numpy's numbers as JSON holds it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__}")


class SavedRun(NamedTuple):
    """The content of a trainer's file, ready to be put into a trainer.

    :param demonstrations: of the run
    :param venv: environments to go on in, or what stands for them
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
    venv: VecEnv
    generator: BaseAlgorithm
    settings: AdversarialSettings
    make_discriminator: Callable[[], Discriminator]
    dual: DualVariable | None
    description: dict[str, Any]
    tensors: dict[str, Any]
    last: dict[str, Any]

    def arguments(self) -> tuple[Any, ...]:
        """Give what a trainer is set up from."""
        suffix = f"_from_{self.generator.num_timesteps}"  # of its logs
        before, after = (
            (self.demonstrations, self.venv),
            (self.make_discriminator, self.dual, suffix),
        )
        return (*before, self.generator, self.settings, *after)

    def restore(self, trainer: Trainer) -> None:
        """Give a trainer that was set up from it the weights, counters and states of the run."""
        generator, state = self.generator, to_arrays(self.tensors["state"])
        source = "tensors.pt of the trainer's file"
        load_weights(trainer.discriminator, self.tensors["discriminator"], source)
        trainer.rounds.learner.optimizer.load_state_dict(self.tensors["disc_optimizer"])
        trainer.rounds.load_state_dict(self.description["rounds"])
        generator.action_space.np_random.bit_generator.state = state["action_space"]
        if state["replay"] is not None:
            set_buffer_state(generator.replay_buffer, state["replay"])  # type: ignore[attr-defined]
        same_number = trainer.venv.num_envs == self.description["n_envs"]
        if set_env_state(trainer.venv, state["environments"], same_number):
            vars(generator).update(self.last)
            if state.get("memory") is not None:
                set_memory(generator, state["memory"])
        set_random_state(state["random"])


def read(
    kind: type, path: str | Path, venv: VecEnv | None, device: th.device | str | None
) -> SavedRun:
    """Read a trainer's file; see :meth:`AdversarialTrainer.load`.

    :param kind: class of the trainer
    :param path: of the file
    :param venv: environments to go on in; None for none
    :param device: of generator and discriminator; None for where they were
    """
    path = with_default_suffix(path, ".zip")
    description, parts = _read(path)
    _check_fits(kind, description, venv, path)
    inside = f"tensors.pt in {path}"
    tensors = load_tensors(parts["tensors.pt"], inside, FORMAT, VERSION, "cpu", TENSORS, EARLIER)
    if venv is None:
        state = tensors["state"]
        venv = absent(description["n_envs"], state["spaces"], state["environments"])
    devices = description["devices"] if device is None else dict.fromkeys(PARTS, str(device))
    generator = _load_generator(description, parts["generator.zip"], venv, devices, path)
    source = f"demonstrations.npz in {path}"
    spaces = below_normalize(venv).observation_space, venv.action_space
    with reading(f"trainer.json in {path}", EARLIER):
        settings = _settings(description, generator, devices)
        dual = None if description["dual"] is None else DualVariable.from_state(description["dual"])
    return SavedRun(
        Demonstrations(npz.from_bytes(parts["demonstrations.npz"], source)),
        venv,
        generator,
        settings,
        partial(Discriminator.rebuild, tensors["description"], *spaces, str(path)),
        dual,
        description,
        tensors,
        {name: value for name, value in vars(generator).items() if name.startswith("_last_")},
    )


def _settings(
    description: dict[str, Any], generator: BaseAlgorithm, devices: dict[str, str]
) -> AdversarialSettings:
    settings = {**description["settings"], "device": devices["discriminator"]}
    if generator.n_envs != description["n_envs"] and isinstance(generator, OnPolicyAlgorithm):
        settings["train_timesteps"] = None  # its rollout has another length now
    return AdversarialSettings(**settings)


def _check_fits(kind: type, description: dict[str, Any], venv: VecEnv | None, path: Path) -> None:
    """Refuse a file of another class, or what is no environments.

    :raises ValueError: naming what differs
    """
    if description["class"] != class_path(kind):
        held, name = description["class"], description["class"].partition(":")[2]
        raise ValueError(
            f"{path} holds a {name} ({held}), no {kind.__name__} ({class_path(kind)}); load it "
            f"with {name}.load"
        )
    if venv is not None and not isinstance(venv, VecEnv):
        raise ValueError(f"`venv` must be an SB3 VecEnv or None, got {type(venv).__name__}")


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the description and the parts of a trainer's file.

    :raises DamagedFileError: truncated, changed, not ours, or of another version
    """
    parts = read_zip(path, EARLIER)
    if "trainer.json" not in parts:
        own = "SB3's own files are read with their algorithm's load()"
        raise damaged(path, "it is no trainer file of sb3_vdb", own)
    source = f"trainer.json in {path}"
    description: dict[str, Any] = parse_json(parts["trainer.json"], dict, source, EARLIER)
    if description.get("format") != FORMAT:
        found = f"it is no trainer file of sb3_vdb (format {description.get('format')!r})"
        raise damaged(path, found, EARLIER)
    check_entries(description, DESCRIPTION, source, EARLIER)
    if description["version"] != VERSION:
        raise damaged(
            path,
            f"it has format version {description['version']} (written by sb3_vdb "
            f"{description['versions'].get('sb3_vdb')}), this one reads {VERSION}",
            "use the one that wrote it",
        )
    missing = {"tensors.pt", "generator.zip", "demonstrations.npz"} - set(parts)
    if missing:
        raise damaged(path, f"it lacks {', '.join(sorted(missing))}", EARLIER)
    return description, parts


def _load_generator(
    description: dict[str, Any],
    content: bytes,
    venv: VecEnv,
    devices: dict[str, str],
    path: Path,
) -> BaseAlgorithm:
    algorithm: Any = find_class(description["generator_class"], BaseAlgorithm, str(path))
    check_zip(io.BytesIO(content), f"generator.zip in {path}", EARLIER)
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
    inside, held = f"tensors.pt in {path}", f"generator.zip in {path}"
    tensors = load_tensors(parts["tensors.pt"], inside, FORMAT, VERSION, "cpu", TENSORS, EARLIER)
    kind: Any = find_class(description["generator_class"], BaseAlgorithm, str(path))
    check_zip(io.BytesIO(parts["generator.zip"]), held, EARLIER)
    with reading(held, EARLIER):
        generator: BaseAlgorithm = kind.load(io.BytesIO(parts["generator.zip"]), device=device)
    name = description["class"].partition(":")[2]
    return generator, name, to_arrays(tensors["state"])["environments"]
