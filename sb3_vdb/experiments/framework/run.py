"""A run: one training of a study in one folder, with its arguments, versions, result and clock."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from sb3_vdb.experiments.framework.folder import sole_user
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.versions import (
    combined_versions,
    note_versions,
    present_versions,
    read_versions,
)
from sb3_vdb.files import check_entries, read_json, read_number, write_text

CONFIG, RESULT, VERSIONS = "config.json", "result.json", "versions.json"
# remedies
ANEW = "delete its folder, and the run begins anew"
AGAIN = "delete it and run the command again, which goes on from the last checkpoint"
ABSENT = object()  # in place of an argument that a config lacks
WRITE_EVERY = 5.0  # seconds between two notes of the time spent


@dataclass(frozen=True)
class Run(ABC):
    """One training of a study in one folder.

    :param out: folder of the study
    """

    out: Path

    # arguments that may differ when a run goes on, by their dotted names, with all that is in them
    MAY_DIFFER: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the folder."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return all that decides what is learned, as plain values and dataclasses."""

    def defaults(self) -> Mapping[str, Any]:
        """Return what holds for arguments that a config lacks, by dotted names."""
        return {}

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out / self.name

    def check(self) -> None:
        """See whether what is in the folder, if anything, is this run.

        :raises ValueError: it is another one
        """
        here, path = flat(self.arguments()), self.folder / CONFIG
        if not path.exists():
            return
        there = flat(read_config(self.folder))
        for name, value in self.defaults().items():
            if not any(f"{each}.".startswith(f"{name}.") for each in there):
                there |= flat({name: value})
        for name in sorted(there.keys() | here.keys()):
            before, asked = there.get(name, ABSENT), here.get(name, ABSENT)
            if before != asked and not self._may_differ(name):
                before, asked = ("nothing" if v is ABSENT else repr(v) for v in (before, asked))
                raise ValueError(
                    f"{self.folder} holds a run with {name} {before}, asked for is {asked}; "
                    "choose another folder with --out, or delete this one"
                )

    def _may_differ(self, name: str) -> bool:
        return any(f"{name}.".startswith(f"{each}.") for each in ("versions", *self.MAY_DIFFER))

    def claim(self) -> None:
        """Write arguments and versions as ``config.json``, unless the run is there already.

        :raises ValueError: the folder holds another run
        """
        self.check()
        path = self.folder / CONFIG
        if not path.exists():
            config = {**self.arguments(), "versions": present_versions()}
            write_text(path, json.dumps(config, indent=1, default=asdict))

    def note_versions(self, part: str = "") -> None:
        """Note that the present versions work on the run.

        :param part: folder in that of the run, where only a part is worked on
        """
        note_versions(self.folder / part / VERSIONS)

    def versions(self) -> list[dict[str, str]]:
        """Return all versions that the run was claimed with or that worked on it."""
        has_config = (self.folder / CONFIG).exists()
        claimed = [read_config(self.folder)["versions"]] if has_config else []
        notes = [self.folder / VERSIONS, *sorted(self.folder.glob(f"*/{VERSIONS}"))]
        noted = [each for path in notes if path.exists() for each in read_versions(path)]
        return [*claimed, *noted]

    def result(self) -> dict[str, Any] | None:
        """Return the figures that the run ended with; None while it has not ended."""
        return read_result(self.folder) if has_result(self.folder) else None


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted names, as a json file gives them back."""
    flattened: dict[str, Any] = {}
    for name, value in json.loads(json.dumps(values, default=asdict)).items():
        if isinstance(value, dict) and value:
            flattened |= flat(value, f"{prefix}{name}.")
        else:
            flattened[prefix + name] = value
    return flattened


def defaults_of(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Return the defaults of settings by dotted names, with those of dataclasses in them.

    :param settings: an instance of a dataclass or of a NamedTuple
    :param prefix: of the names
    """
    if not is_dataclass(settings):
        return {prefix + name: value for name, value in settings._field_defaults.items()}
    defaults: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if is_dataclass(value):
            defaults |= defaults_of(value, f"{prefix}{each.name}.")
        elif each.default is not MISSING:
            defaults[prefix + each.name] = each.default
    return defaults


def check_all(runs: Iterable[Run]) -> None:
    """See whether what is in the folders of runs, if anything, is these runs.

    :raises ValueError: see :meth:`Run.check`
    """
    for run in runs:
        run.check()


@contextmanager
def claimed(out: Path, runs: Sequence[Run]) -> Iterator[None]:
    """Work alone in the folder of a study while the block runs; its runs are claimed, or none of
    them if the folder of one holds another run.

    :param out: folder of the study
    :param runs: that are worked on
    :raises ValueError: another command is at work there, or see :meth:`Run.claim`
    """
    check_all(runs)  # before a folder is made
    with sole_user(out):
        check_all(runs)  # another command may have claimed some meanwhile
        for run in runs:
            run.claim()
        yield


def nothing_finished(folder: Path) -> ValueError:
    """Make the error of a table without a row.

    :param folder: of the study
    """
    return ValueError(
        f"{folder} holds no finished run of what is asked for; leave --table-only out to train, or "
        "name another folder with --out"
    )


def versions_of(runs: Iterable[Run]) -> dict[str, str]:
    """Return what runs were made with; where they differ, all of it."""
    return combined_versions(each for run in runs for each in run.versions())


def has_result(folder: Path) -> bool:
    """Whether what is done in a folder has ended."""
    return (folder / RESULT).exists()


def read_result(folder: Path) -> dict[str, Any]:
    """Return the figures of a folder in which something has ended."""
    figures: dict[str, Any] = read_json(folder / RESULT, dict, AGAIN)
    return figures


def read_config(folder: Path) -> dict[str, Any]:
    """Return the arguments and versions that a run was claimed with.

    :raises DamagedFileError: they are damaged
    """
    config: dict[str, Any] = read_json(folder / CONFIG, dict, ANEW)
    check_entries(config, {"versions": dict}, str(folder / CONFIG), ANEW)
    return config


def write_result(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write the figures of what has ended, as ``result.json``."""
    write_text(folder / RESULT, json.dumps(figures, indent=1))


class Stopwatch:
    """Measures the seconds that all processes spent on something.

    :param path: where they are kept
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = read_number(path, "delete it; only time is lost") if path.exists() else 0.0
        self._start = self._written = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far; what a killed process did after it last wrote is not counted."""
        return self._before + time.monotonic() - self._start

    def watch(self, report: Report) -> Report:
        """Return the same report, which also writes the seconds down now and then."""

        def tell(done: int, note: str) -> None:
            if time.monotonic() - self._written > WRITE_EVERY:
                self.write()
            report(done, note)

        return tell

    def write(self) -> None:
        """Write the seconds down."""
        self._written = time.monotonic()
        write_text(self.path, f"{self.seconds:.1f}")
