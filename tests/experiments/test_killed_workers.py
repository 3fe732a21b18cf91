"""The experiment that kills its own workers."""

import pandas as pd
import pytest

from sb3_vdb.experiments import killed_workers
from sb3_vdb.experiments.transfer import policies


@pytest.mark.slow
def test_killed_jobs_end_where_they_would_have_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(killed_workers, "KILL_EVERY", 4.0)
    monkeypatch.setattr(killed_workers, "MAX_KILLS", 1)
    table = killed_workers.run(tmp_path, tmp_path / "docs", ["local"], n_jobs=1, workers=1)
    assert table["policies equal bit for bit"].tolist() == [1, 1]
    assert table["iterations"].tolist() == [120, 120]
    assert table["run twice"][0] == 0
    assert table["kills"][1] == 1
    assert 0 <= table["run twice"][1] < policies.CHECKPOINT_EVERY + 1
    written = pd.read_csv(tmp_path / "docs" / "killed_workers.csv")
    assert written["trial"].tolist() == ["local, undisturbed", "local, workers killed"]
    assert (tmp_path / "docs" / "killed_workers.png").stat().st_size > 5000
    assert (tmp_path / "docs" / "versions.json").exists()
