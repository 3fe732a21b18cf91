"""A run in its folder: whose it is, who made it, how long it took."""

import json
import re
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest

from sb3_vdb.errors import DamagedFileError
from sb3_vdb.experiments.framework import run as run_module
from sb3_vdb.experiments.framework import versions as versions_module
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.folder import sole_user
from sb3_vdb.experiments.framework.run import (
    Run,
    Stopwatch,
    claimed,
    defaults_of,
    versions_of,
    write_result,
)


@dataclass(frozen=True)
class Sizes:
    width: int
    depth: int = 2


@dataclass(frozen=True)
class Settings:
    rate: float = 0.1
    env_kwargs: dict = None
    sizes: Sizes = field(default_factory=lambda: Sizes(8))


@dataclass(frozen=True)
class SmallRun(Run):
    settings: Settings = field(default_factory=Settings)
    device: str = "cpu"

    MAY_DIFFER = ("device",)

    @property
    def name(self):
        return "small"

    def arguments(self):
        return {"settings": self.settings, "device": self.device, "shape": (3, 4)}

    def defaults(self):
        return defaults_of(self.settings, "settings.")


@dataclass(frozen=True)
class PlainRun(Run):
    """Passes on what it is given, and class defaults hold for the others."""

    given: dict

    name = "plain"
    MAY_DIFFER = ("changes",)

    def arguments(self):
        return {"arguments": {"rate": 1.0, **self.given}, "changes": self.given}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "present_versions", lambda: {"torch": "1"})
    made = SmallRun(tmp_path)
    made.claim()
    return made


def test_a_claim_writes_arguments_and_versions_once(run):
    config = json.loads((run.folder / "config.json").read_text())
    assert config == {
        "settings": {"rate": 0.1, "env_kwargs": None, "sizes": {"width": 8, "depth": 2}},
        "device": "cpu",
        "shape": [3, 4],
        "versions": {"torch": "1"},
    }
    run.claim()
    assert json.loads((run.folder / "config.json").read_text()) == config


def test_a_folder_of_another_run_is_refused_with_the_setting_and_the_remedy(run):
    other = replace(run, settings=Settings(sizes=Sizes(16)))
    message = r"small holds a run with settings\.sizes\.width 8, asked for is 16; .* --out"
    for refused in (other.check, other.claim):
        with pytest.raises(ValueError, match=message):
            refused()


def test_what_may_differ_is_named(run):
    replace(run, device="cuda").claim()


def test_what_a_config_lacks_is_as_it_is_by_default(run):
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    del config["settings"]["sizes"]["depth"], config["settings"]["rate"]
    path.write_text(json.dumps(config))
    run.claim()
    with pytest.raises(ValueError, match=r"settings\.rate 0\.1, asked for is 0\.2"):
        replace(run, settings=Settings(rate=0.2)).check()
    config["settings"]["sizes"] = {"depth": 2}  # a width has no default
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"settings\.sizes\.width nothing, asked for is 8"):
        run.check()


def test_arguments_that_are_dictionaries_are_compared_as_they_are(run, tmp_path):
    @dataclass(frozen=True)
    class WithArguments(SmallRun):
        def defaults(self):
            return {"settings.env_kwargs": {"threads": 1}}

    for env_kwargs in ({}, {"threads": 2}):
        made = WithArguments(tmp_path / str(len(env_kwargs)), Settings(env_kwargs=env_kwargs))
        made.claim()
        made.check()
        other = replace(made, settings=Settings(env_kwargs={"threads": 1}))
        with pytest.raises(ValueError, match=r"holds a run with settings\.env_kwargs"):
            other.check()


def test_several_folders_are_claimed_together_or_not_at_all(run, tmp_path):
    fresh = SmallRun(tmp_path / "other")
    other = replace(run, settings=Settings(rate=0.5))
    with pytest.raises(ValueError, match=r"settings\.rate"), claimed(run.out, [fresh, other]):
        pass
    assert not fresh.folder.exists()
    with claimed(run.out, [fresh]):
        assert (fresh.folder / "config.json").exists()


def test_nothing_is_claimed_while_another_command_is_at_work(run, tmp_path):
    fresh = SmallRun(tmp_path / "other")
    with (
        sole_user(run.out),
        pytest.raises(ValueError, match="another command"),
        claimed(run.out, [fresh]),
    ):
        pass
    assert not fresh.folder.exists()


def test_an_argument_that_is_not_there_is_not_none(tmp_path):
    made = PlainRun(tmp_path, {})
    made.claim()
    with pytest.raises(ValueError, match=r"arguments\.penalty nothing, asked for is None"):
        PlainRun(tmp_path, {"penalty": None}).check()


def test_versions_are_of_all_that_worked_on_a_run(run, monkeypatch):
    for part, torch in (("", "2"), ("", "2"), ("method", "3")):
        monkeypatch.setattr(versions_module, "present_versions", lambda v=torch: {"torch": v})
        run.note_versions(part)
    assert run.versions() == [{"torch": "1"}, {"torch": "2"}, {"torch": "3"}]
    assert versions_of([run, run]) == {"torch": "1, 2, 3"}


def test_a_run_has_a_result_when_it_has_ended(run):
    assert run.result() is None
    write_result(run.folder, {"return": 1.5})
    assert run.result() == {"return": 1.5}


def test_the_time_of_a_run_is_that_of_all_its_processes(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: clock[0])
    watch = Stopwatch(tmp_path / "seconds.txt")
    report = watch.watch(lambda done, note: None)
    clock[0] += 60.0
    report(1, "")
    again = Stopwatch(tmp_path / "seconds.txt")
    clock[0] += 30.0
    assert again.seconds == pytest.approx(90.0)


def test_evaluations_go_on_with_their_clock_from_the_checkpoint(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: clock[0])

    def evaluate(log, step, training, evaluating):
        log.start()
        clock[0] += training
        log.stop()
        clock[0] += evaluating
        log.add(step, mean=step / 3)

    path = tmp_path / "evaluations.csv"
    log = EvaluationLog(path, "frames", 0)
    assert log.last is None
    for step in (10, 20, 30):
        evaluate(log, step, 5.0, 100.0)
    # killed after the row of 30 and before its checkpoint
    log = EvaluationLog(path, "frames", reached=20)
    assert log.last == {"frames": 20, "seconds": 10.0, "mean": 6.6667}
    evaluate(log, 30, 7.0, 100.0)
    table = pd.read_csv(path)
    assert table.columns.tolist() == ["frames", "seconds", "mean"]
    assert table["frames"].tolist() == [10, 20, 30]
    assert table["seconds"].tolist() == [5.0, 10.0, 17.0]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("config.json", lambda run: run.check()),
        ("config.json", lambda run: run.versions()),
        ("versions.json", lambda run: run.versions()),
        ("versions.json", lambda run: run.note_versions()),
        ("result.json", lambda run: run.result()),
        ("seconds.txt", lambda run: Stopwatch(run.folder / "seconds.txt")),
        ("evaluations.csv", lambda run: EvaluationLog(run.folder / "evaluations.csv", "step", 9)),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 100_000, b"1,2"])
def test_a_damaged_file_of_a_run_is_named_with_the_remedy(name, read, content, tmp_path):
    """Case 37."""
    run = SmallRun(tmp_path)
    run.claim()
    (run.folder / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{re.escape(name)} cannot be read: .*delete"):
        read(run)
