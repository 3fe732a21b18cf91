"""The study that kills its own workers."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from sb3_vdb.experiments import killed_workers
from sb3_vdb.experiments.framework.versions import present_versions
from sb3_vdb.experiments.maze_transfer import policies


@pytest.mark.slow
def test_killed_jobs_end_where_they_would_have_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(killed_workers, "KILL_EVERY", 0.5)
    monkeypatch.setattr(killed_workers, "MAX_KILLS", 1)
    policy = replace(killed_workers.POLICY, iterations=25, mazes=10)
    table = killed_workers.run_trials(["local"], tmp_path, tmp_path / "docs", 1, 1, policy)
    assert table["policies equal bit for bit"].tolist() == [1, 1]
    assert table["iterations"].tolist() == [25, 25]
    assert table["run twice"][0] == 0
    assert table["kills"][1] == 1
    assert 0 <= table["run twice"][1] < policies.CHECKPOINT_EVERY + 1
    written = pd.read_csv(tmp_path / "docs" / "killed_workers.csv")
    assert written["trial"].tolist() == ["local, undisturbed", "local, workers killed"]
    assert (tmp_path / "docs" / "killed_workers.png").stat().st_size > 5000
    # the versions are those that the jobs ran with
    made_with = json.loads((tmp_path / "docs" / "versions.json").read_text())
    assert made_with["torch"] == present_versions()["torch"]
