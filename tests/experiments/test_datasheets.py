"""Every file that ships has a datasheet, and its hash is the file's."""

import hashlib
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sb3_vdb import pretrained
from sb3_vdb.demonstrations import recording
from sb3_vdb.experiments import datasheets
from sb3_vdb_envs.humanoid import clips

ROOT = Path(__file__).parents[2]
RECORDS, PAGE = ROOT / "docs" / "benchmarks", ROOT / "docs" / "shipped_files.md"
SHIPPED = [
    *sorted(recording.SHIPPED.glob("*.npz")),
    *sorted(pretrained.FOLDER.glob("*.pt")),
    *sorted(clips.FOLDER.glob("*.txt")),
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_has_a_datasheet_with_its_hash(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sheet = path.with_suffix(".md") if path.suffix != ".txt" else path.parent / "SOURCES.md"
    for text in (sheet.read_text(), PAGE.read_text()):
        (line,) = [line for line in text.splitlines() if digest in line]
        if path.suffix == ".txt":
            assert line.startswith(f"| `{path.name}` |")
        else:
            assert f"| file | `{path.name}` |" in text


def test_the_datasheets_are_what_the_command_writes():
    page = PAGE.read_text()
    for path, text in datasheets.all_datasheets(RECORDS).items():
        assert text in page
        assert datasheets.sheet_of(path).read_text().endswith(f"{datasheets.HEADING}\n{text}")


def test_a_datasheet_tells_the_returns_and_the_expert_of_a_recording():
    text = datasheets.all_datasheets(RECORDS)[recording.SHIPPED / "WalkerWalk.npz"]
    returns = recording.load("WalkerWalk").returns
    assert f"| return | mean {returns.mean():.1f}, standard deviation {returns.std():.1f}" in text
    experts = pd.read_csv(RECORDS / "experts" / "experts.csv").set_index("task")
    assert f"to a return of {experts['return']['WalkerWalk']} ±" in text
    assert "SAC on states, acting without its noise" in text
    assert "environment seeds 40000 to 40009" in text


def test_a_new_datasheet_keeps_what_stands_before_it(tmp_path, monkeypatch):
    policy = pretrained.FOLDER / "HumanoidRun.pt"
    for name in (policy, policy.with_suffix(".md")):
        shutil.copy(name, tmp_path)
    card = policy.with_suffix(".md").read_text().partition(datasheets.HEADING)[0]
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(recording, "SHIPPED", tmp_path)
    monkeypatch.setattr(datasheets, "CLIPS", tmp_path / "clips")
    monkeypatch.setattr(datasheets, "CLIP_SHEET", tmp_path / "SOURCES.md")
    (tmp_path / "HumanoidRun.pt").write_bytes(b"another policy")
    datasheets.datasheets(RECORDS, tmp_path / "page.md")
    text = (tmp_path / "HumanoidRun.md").read_text()
    assert text.startswith(card.rstrip())
    assert text.count(datasheets.HEADING) == 1
    assert hashlib.sha256(b"another policy").hexdigest() in text
