"""Demonstrations in files of any known format, told by name and content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.files import expanded
from sb3_vdb.integrations.hugging_face import from_hugging_face, to_hugging_face
from sb3_vdb.integrations.imitation_trajectories import save_imitation
from sb3_vdb.integrations.lerobot import from_lerobot
from sb3_vdb.integrations.minari_datasets import from_minari, to_minari
from sb3_vdb.integrations.tables import from_csv, from_parquet, to_csv, to_parquet

MINARI = "minari:"  # before the id of a dataset, in place of a path


class Format(NamedTuple):
    """A format of files.

    :param read: makes demonstrations of a path (or of a Minari id)
    :param write: writes them there; None where it needs more than a path
    :param looks: what a path of it looks like, for people
    """

    read: Callable[[str], Demonstrations]
    write: Callable[[Demonstrations, str], Any] | None
    looks: str


FORMATS: Mapping[str, Format] = {
    "npz": Format(Demonstrations.load, lambda demos, path: demos.save(path), "a .npz file"),
    "csv": Format(from_csv, to_csv, "a .csv file"),
    "parquet": Format(from_parquet, to_parquet, "a .parquet file"),
    "imitation": Format(from_hugging_face, save_imitation, "a folder that imitation reads"),
    "hugging-face": Format(from_hugging_face, to_hugging_face, "a folder of `datasets`"),
    "lerobot": Format(from_lerobot, None, "a folder with meta/info.json"),
    "minari": Format(
        lambda name: from_minari(name.removeprefix(MINARI)),
        lambda demos, name: to_minari(demos, name.removeprefix(MINARI)),
        "minari:<dataset id>",
    ),
}


def read_demonstrations(path: str | Path, format: str | None = None) -> Demonstrations:
    """Read demonstrations of any known format, with its reader's defaults.

    :param path: a file, a folder, or ``"minari:<dataset id>"``
    :param format: one of ``FORMATS``; None for what name and content say
    :raises FileNotFoundError: there is no such file
    :raises ValueError: nothing says the format, or the content does not fit it
    """
    name = str(path)
    if not name.startswith(MINARI) and format != "minari" and not expanded(name).exists():
        raise FileNotFoundError(f"there is no file or folder {name}")
    return _format(name, format).read(name)


def write_demonstrations(
    demonstrations: Demonstrations, path: str | Path, format: str | None = None
) -> None:
    """Write demonstrations in any known format, with its writer's defaults.

    :param demonstrations: any that the format takes
    :param path: a file or folder, or ``"minari:<dataset id>"``
    :param format: one of ``FORMATS``; None for what the name says
    :raises ValueError: nothing says the format, or it cannot hold these demonstrations
    """
    name = str(path)
    write = _format(name, format).write
    if write is None:
        raise ValueError(
            "a LeRobot dataset needs the steps a second: "
            "sb3_vdb.integrations.lerobot.to_lerobot(demonstrations, folder, fps)"
        )
    write(demonstrations, name)


def _format(path: str, name: str | None) -> Format:
    """Find a format by its name, or by what the path looks like.

    :raises ValueError: naming the known formats
    """
    name = guessed_format(path) if name is None else name
    if name is None or name not in FORMATS:
        known = ", ".join(f"{each} ({form.looks})" for each, form in FORMATS.items())
        what = f"{path} is of no format that is known" if name is None else f"no format {name!r}"
        raise ValueError(f"{what}; there are {known}")
    return FORMATS[name]


def guessed_format(path: str) -> str | None:
    """Tell the format by the name, or by what a folder holds; None if nothing says it.

    :param path: it need not exist
    """
    if path.startswith(MINARI):
        return "minari"
    place = expanded(path)
    if (place / "meta" / "info.json").is_file():
        return "lerobot"
    if (place / "dataset_info.json").is_file():
        return "hugging-face"
    suffix = place.suffix.lower().removeprefix(".")
    return suffix if suffix in ("npz", "csv", "parquet") and not place.is_dir() else None
