"""Figure 2: a tighter limit smooths the discriminator."""

import json

import numpy as np
import pandas as pd
import pytest

from sb3_vdb.experiments import two_gaussians


@pytest.mark.slow
def test_the_limit_is_met_and_smooths_the_surface():
    free, tight = two_gaussians.train(None, steps=800), two_gaussians.train(0.3, steps=1500)
    assert free.kl == free.beta == 0.0
    assert tight.kl == pytest.approx(0.3, abs=0.1)
    assert free.flat_share > tight.flat_share
    steepest = [np.linalg.norm(each.gradients, axis=-1).max() for each in (free, tight)]
    assert steepest[0] > steepest[1]
    # D is high where the real samples are, and its gradient points there
    middle = two_gaussians.GRID // 2
    assert tight.values[-1, -1] > 0.5 > tight.values[0, 0]
    assert tight.gradients[middle, middle] @ np.array(two_gaussians.MEANS[1]) > 0


def test_the_command_writes_table_and_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(two_gaussians, "LIMITS", (None, 0.5))
    train = two_gaussians.train
    monkeypatch.setattr(two_gaussians, "train", lambda limit, seed: train(limit, 3, seed))
    two_gaussians.two_gaussians(tmp_path / "run", docs=tmp_path / "docs")
    for folder in (tmp_path / "run", tmp_path / "docs"):
        table = pd.read_csv(folder / "two_gaussians.csv")
        assert table["information_limit"].tolist() == ["none", "0.5"]
        assert (folder / "two_gaussians.png").stat().st_size > 5000
        assert "torch" in json.loads((folder / "versions.json").read_text())
