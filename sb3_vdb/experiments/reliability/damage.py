"""Files that are damaged in every way: what reading them says."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch as th

from sb3_vdb.adversarial import GAIL
from sb3_vdb.baselines.behavioural_cloning import ClonedPolicy
from sb3_vdb.demonstrations import Demonstrations, recording
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.experiments.framework.run import CONFIG, RESULT, Stopwatch, read_config, read_result
from sb3_vdb.experiments.framework.versions import note_versions, present_versions, read_versions
from sb3_vdb.experiments.reliability.subjects import (
    ACTING,
    Quiet,
    make_cloning,
    make_demonstrations,
    make_venv,
    make_vmail,
)
from sb3_vdb.experiments.reliability.trials import Trial, in_words
from sb3_vdb.files import write_text
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.vmail import VMAIL
from sb3_vdb.vmail.policies import MlpPolicy

PART = "damage"
BOMB = 300_000_000  # bytes that a bomb inflates to
Damage = Callable[[bytes, random.Random], bytes]


class Kind(NamedTuple):
    """A kind of file.

    :param path: of a sound one
    :param read: reads it, and returns what it held
    :param is_zip: whether it has members
    """

    path: Path
    read: Callable[[Path], Any]
    is_zip: bool = True


def truncated(content: bytes, rng: random.Random) -> bytes:
    """Cut the end off."""
    return content[: rng.randrange(len(content))]


def bit_flipped(content: bytes, rng: random.Random) -> bytes:
    """Turn one bit."""
    changed = bytearray(content)
    changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def header_changed(content: bytes, rng: random.Random) -> bytes:
    """Change some bytes of the records that describe members, or of the first ones."""
    marks = [i for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for i in _places(content, mark)]
    begin = rng.choice(marks) + 4 if marks else 0
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        changed[min(begin + rng.randrange(42), len(content) - 1)] = rng.randrange(256)
    return bytes(changed)


def _places(content: bytes, mark: bytes) -> Iterator[int]:
    place = content.find(mark)
    while place >= 0:
        yield place
        place = content.find(mark, place + 1)


def members_swapped(content: bytes, rng: random.Random) -> bytes:
    """Give two members each other's content, with sound checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {each: archive.read(each) for each in archive.infolist()}
        comment = archive.comment
    one, other = rng.sample(list(members), 2)
    members[one], members[other] = members[other], members[one]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for each, values in members.items():
            archive.writestr(each.filename, values, each.compress_type)
        archive.comment = comment
    return buffer.getvalue()


def bomb(content: bytes, rng: random.Random) -> bytes:
    """Put zeros in the place of a member, or add them, that are far larger than the file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {each.filename: archive.read(each) for each in archive.infolist()}
    name = rng.choice([*members, "zeros.npy"])
    members[name] = bytes(BOMB)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, values in members.items():
            archive.writestr(each, values)
    return buffer.getvalue()


def emptied(content: bytes, rng: random.Random) -> bytes:
    """Leave nothing, or zeros."""
    return bytes(len(content)) if rng.random() < 0.5 else b""


def lengthened(content: bytes, rng: random.Random) -> bytes:
    """Append other bytes."""
    return content + rng.randbytes(rng.randint(1, 200))


WAYS: dict[str, Damage] = {
    "truncated": truncated,
    "one bit flipped": bit_flipped,
    "header bytes changed": header_changed,
    "emptied": emptied,
    "lengthened": lengthened,
}
ZIP_WAYS: dict[str, Damage] = {"members swapped": members_swapped, "bomb": bomb}


def fingerprint(value: Any) -> str:
    """Compute a checksum of what a file held."""
    digest = hashlib.sha256()

    def add(each: Any) -> None:
        if isinstance(each, dict):
            for key in sorted(each, key=str):
                digest.update(str(key).encode())
                add(each[key])
        elif isinstance(each, (list, tuple)):
            for one in each:
                add(one)
        elif isinstance(each, th.Tensor):
            digest.update(each.detach().cpu().numpy().tobytes())
        elif isinstance(each, np.ndarray):
            digest.update(each.tobytes())
        else:
            digest.update(repr(each).encode())

    add(value)
    return digest.hexdigest()


def make_kinds(folder: Path) -> dict[str, Kind]:
    """Write a sound file of every kind.

    :param folder: where they go
    """
    demonstrations = make_demonstrations()
    demonstrations.save(folder / "demonstrations.npz")
    trainer = ACTING["GAIL with PPO"](folder / "log").learn(80)
    trainer.save(folder / "trainer.zip")
    trainer.recovered_reward().save(folder / "reward.pt")
    make_cloning().save(folder / "cloned.pt")
    model = make_vmail(folder).learn(90)
    model.save(folder / "vmail.zip")
    model.policy.save(folder / "policy.pt")
    model.save_replay_buffer(folder / "replay.npz")
    model.save_replay_buffer(folder / "replay", parts=True)
    shutil.copy(recording.find("CMaze"), folder / "recording.npz")
    run = folder / "run"
    write_text(run / CONFIG, json.dumps({"steps": 1, "versions": present_versions()}))
    write_text(run / RESULT, json.dumps({"return": 1.25}))
    note_versions(run / "versions.json")
    write_text(run / "seconds.txt", "12.5")
    part = {name: next((folder / "replay").glob(f"{name}_*")) for name in ("episode", "open")}
    table = next((folder / "replay").glob("table_*"))
    return {
        "demonstrations": Kind(folder / "demonstrations.npz", _read_demonstrations),
        "recording": Kind(folder / "recording.npz", lambda path: _plain(recording.load(path))),
        "trainer": Kind(folder / "trainer.zip", _read_trainer),
        "recovered reward": Kind(folder / "reward.pt", _read_reward),
        "cloned policy": Kind(folder / "cloned.pt", lambda path: _read_policy(ClonedPolicy, path)),
        "V-MAIL": Kind(folder / "vmail.zip", _read_vmail),
        "V-MAIL's policy": Kind(folder / "policy.pt", lambda path: _read_policy(MlpPolicy, path)),
        "replay": Kind(folder / "replay.npz", lambda path: _read_replay(path)),
        "replay folder, an episode": Kind(part["episode"], lambda path: _read_replay(path.parent)),
        "replay folder, open episodes": Kind(part["open"], lambda path: _read_replay(path.parent)),
        "replay folder, table": Kind(table, lambda path: _read_replay(path.parent), False),
        "config.json": Kind(run / CONFIG, lambda path: read_config(path.parent), False),
        "result.json": Kind(run / RESULT, lambda path: read_result(path.parent), False),
        "versions.json": Kind(run / "versions.json", read_versions, False),
        "seconds.txt": Kind(run / "seconds.txt", lambda path: Stopwatch(path)._before, False),
    }


def _plain(value: Any) -> Any:
    """Return named tuples as tuples."""
    return tuple(_plain(each) for each in value) if isinstance(value, tuple) else value


def _read_demonstrations(path: Path) -> Any:
    return [
        (each.observations, each.actions, each.rewards, each.terminal)
        for each in Demonstrations.load(path)
    ]


def _read_trainer(path: Path) -> Any:
    trainer = GAIL.load(path, make_venv())
    return [trainer.discriminator.state_dict(), trainer.policy.state_dict(), trainer.n_rounds]


def _read_reward(path: Path) -> Any:
    reward = RecoveredReward.load(path)
    return [reward.discriminator.state_dict(), reward.shift, reward.scale, reward.reward_type]


def _read_policy(kind: Any, path: Path) -> Any:
    return kind.load(path, device="cpu").state_dict()


def _read_vmail(path: Path) -> Any:
    model = VMAIL.load(path, device="cpu")
    return [model.policy.state_dict(), model.num_timesteps, model.gamma]


def _read_replay(path: Path) -> Any:
    model = make_vmail(path.parent)
    if path.is_dir():  # the progress that its table is for
        (table,) = path.glob("table_*.json")
        steps, updates = table.stem.removeprefix("table_").split("-")
        model.num_timesteps, model._n_updates = int(steps), int(updates)
    model.load_replay_buffer(path)
    buffer = model.replay_buffer
    assert buffer is not None
    stores = [(each.rows_in_use(), each.get_table()) for each in (buffer.expert, buffer.policy)]
    return [stores, buffer.open_episodes, buffer.rng.bit_generator.state]


def damage(n: int, seed: int = 0) -> Iterator[Trial]:
    """Read damaged files, of each kind in turn and in each way in turn.

    :param n: how many
    :param seed: of the damage
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, Quiet():
        kinds = make_kinds(Path(folder))
        sound = {name: fingerprint(kind.read(kind.path)) for name, kind in kinds.items()}
        pairs = [
            (name, way)
            for name, kind in kinds.items()
            for way in [*WAYS, *(ZIP_WAYS if kind.is_zip else ())]
        ]
        rng.shuffle(pairs)
        for i in range(n):
            name, way = pairs[i % len(pairs)]
            yield _try(name, kinds[name], way, sound[name], rng)


def _try(name: str, kind: Kind, way: str, sound: str, rng: random.Random) -> Trial:
    before = kind.path.read_bytes()
    changed = {**WAYS, **ZIP_WAYS}[way](before, rng)
    kind.path.write_bytes(changed)
    try:
        outcome, held = _outcome(kind, sound)
    finally:
        kind.path.write_bytes(before)
    if not held:
        outcome = f"{way}: {outcome}"
    return Trial(PART, name, held, outcome)


def _outcome(kind: Kind, sound: str) -> tuple[str, bool]:
    """Say how reading a damaged file went, and whether that is what is promised."""
    try:
        found = fingerprint(kind.read(kind.path))
    except DamagedFileError as error:
        names = kind.path.name in str(error) or kind.path.parent.name in str(error)
        return ("refused", True) if names else ("refused without its name", False)
    except Exception as error:  # whatever it is, it is what the trial is about
        return in_words(error), False
    if found == sound:
        return "unharmed", True
    # text for people has no checksum: what still is JSON is believed
    return ("other values, no checksum", True) if not kind.is_zip else ("other values", False)
