"""The tuning study: when a limit counts as held, and what the command writes."""

import json

import numpy as np
import pandas as pd
import pytest

from sb3_vdb import GAIL
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.run import RESULT
from sb3_vdb.experiments.tuning import runs, settings, table
from tests.experiments.conftest import do_jobs_here, quiet


def curve(kl) -> pd.DataFrame:
    """A curve with this divergence, 16 updates a round."""
    kl = np.asarray(kl, dtype=float)
    zeros = dict.fromkeys(("beta", "accuracy_expert", "accuracy_generator", "reward_std"), 0.5)
    return pd.DataFrame({"updates": 16 * np.arange(1, len(kl) + 1), "kl": kl, **zeros})


def test_a_limit_counts_as_held_from_where_the_mean_stays_near_it():
    assert table.held_after(curve([0.5] * 30)) == 16
    assert table.held_after(curve([2.0] * 30)) is None
    # the last round with a mean of ten above 1.25 times 0.5 is the first with seven rounds of 0.5
    kl = [1.0] * 10 + [0.5] * 20
    mean = np.convolve([1.0] * 9 + kl, np.ones(10) / 10, "valid")
    last_above = int(np.flatnonzero(mean > 0.625)[-1])
    assert table.held_after(curve(kl)) == 16 * (last_above + 2)


def test_a_limit_left_at_the_end_is_not_held():
    assert table.held_after(curve([0.5] * 20 + [3.0] * 5)) is None


def test_the_log_becomes_one_row_a_round(tmp_path):
    names = ("discriminator/n_updates", "discriminator/kl", "time/fps", "reward/std")
    log = pd.DataFrame([(16, 0.3, 9, 1.0), (16, 0.4, 9, 1.0), (32, 0.5, 9, 2.0)], columns=names)
    log.to_csv(tmp_path / "progress.csv", index=False)
    curves = runs.read_curves(tmp_path / "progress.csv")
    assert curves["updates"].tolist() == [16, 32]
    assert curves["kl"].tolist() == [0.4, 0.5]
    assert "time/fps" not in curves


@pytest.mark.parametrize("name", [name for name in settings.TASKS if "humanoid" not in name])
def test_every_task_can_be_made(name, tmp_path):
    task = settings.TASKS[name]
    trainer = task.make(0, str(tmp_path), beta_step_size=1e-3)
    assert (trainer.dual.information_limit, trainer.dual.beta_step_size) == (0.5, 1e-3)


def test_no_limit_means_no_bottleneck(tmp_path):
    trainer = settings.TASKS["maze, VAIL"].make(0, str(tmp_path), information_limit=None)
    assert type(trainer) is GAIL


def test_a_run_trains_once(tmp_path, monkeypatch):
    run = runs.TuningRun(tmp_path, "maze, VAIL", "step 0.01", 0, {"beta_step_size": 0.01}, 0.05)
    monkeypatch.setattr(runs, "N_EPISODES", 1)
    with table.claimed(tmp_path, [run]):
        runs.train(run, quiet)
    curves = pd.read_csv(run.folder / runs.CURVES)
    assert curves["updates"].iloc[-1] == 16 * run.steps / 1000
    monkeypatch.setattr(runs, "TASKS", {})  # a second training would need it
    runs.train(run, quiet)


def test_the_command_writes_tables_and_figure(tmp_path, monkeypatch):
    do_jobs_here(monkeypatch)

    def invented(run, report):
        curve([0.5] * 30).to_csv(run.folder / runs.CURVES, index=False)
        (run.folder / RESULT).write_text(json.dumps({"task_return": -5.0}))
        run.note_versions()

    monkeypatch.setattr(table, "train", invented)
    arguments = ("maze, VAIL",), (1e-3, 1e-2), range(2), 1.0, tmp_path / "run", tmp_path / "docs"
    table.tuning(*arguments, Workers(1), table_only=False)
    rows = pd.read_csv(tmp_path / "docs" / "steps.csv")
    assert rows["step size"].tolist() == [1e-3, 1e-3, 1e-2, 1e-2]
    assert rows["limit held after"].tolist() == [16] * 4
    assert len(pd.read_csv(tmp_path / "docs" / "healthy.csv")) == 30
    assert (tmp_path / "docs" / "cases.png").stat().st_size > 5000
    with pytest.raises(ValueError, match="no finished run"):
        table.tuning(*arguments[:4], tmp_path / "empty", None, Workers(1), table_only=True)
