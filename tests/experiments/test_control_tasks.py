"""Standard tasks: an expert, its episodes, methods on them, the table."""

import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb import Demonstrations, cli
from sb3_vdb.experiments.control_tasks import runs, settings, study
from sb3_vdb.experiments.control_tasks.settings import ROWS, TASKS, THEIRS
from sb3_vdb.experiments.experts.training import ExpertSettings
from sb3_vdb.experiments.training.run import train
from sb3_vdb.methods import METHODS

SMALL_EXPERT = ExpertSettings(
    n_envs=2, first_steps=100, width=8, batch_size=16, evaluate_every=400, action_repeat=1
)


@pytest.fixture
def small(monkeypatch):
    """A task of few steps, and an expert of few."""
    task = TASKS["Pendulum"]._replace(
        aim=0.0, expert_steps=400, steps={"PPO": 2_048, "SAC": 400, "BC": 20}
    )
    for module in (settings, runs):
        monkeypatch.setitem(module.TASKS, "Pendulum", task)
    monkeypatch.setattr(runs, "EXPERT", SMALL_EXPERT)
    monkeypatch.setattr(runs, "N_DEMONSTRATIONS", 2)


@pytest.mark.slow
def test_the_table_is_made_by_one_command(small, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "run_jobs", lambda jobs, _: [j.work(lambda *_: None) for j in jobs])
    words = ["reproduce", "control-tasks", "--task", "Pendulum", "--seeds", "2"]
    words += ["--out", str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]
    rows = ("BC", "GAIL, PPO", "SQIL, SAC")
    words += [word for row in rows for word in ("--method", row)]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "docs" / "table.csv")
    assert table["method"].tolist() == [row for row in rows for _ in range(2)]
    assert table["seed"].tolist() == [0, 1] * 3
    assert (table["return"] < 0).all()
    demonstrations = Demonstrations.load(tmp_path / "out" / "demonstrations" / "Pendulum.npz")
    expert = pd.read_csv(tmp_path / "docs" / "experts.csv")
    assert expert["return"].iloc[0] == pytest.approx(demonstrations.returns.mean(), abs=0.06)
    assert (tmp_path / "docs" / "curves.png").exists()
    assert "GAIL, PPO" in (tmp_path / "out" / "report.html").read_text()
    monkeypatch.setattr(study, "train", lambda *_: 1 / 0)
    monkeypatch.setattr(study, "train_and_record", lambda *_: 1 / 0)
    done = CliRunner().invoke(cli.main, [*words, "--table-only"])  # nothing is trained
    assert done.exit_code == 0, done.output


def test_every_row_is_a_method_with_its_generator(tmp_path):
    for name, row in ROWS.items():
        run = runs.control_run(tmp_path, "Hopper", name, 3)
        assert run.method in METHODS
        assert run.settings.algorithm == row.generator
        assert run.settings.normalize == (row.generator == "PPO")
        assert run.settings.absorbing == (row.method == "dac")
        assert runs.ControlRun.of_config(tmp_path, run.arguments()) == run
    names = {runs.control_run(tmp_path, "Hopper", name, 3).name for name in ROWS}
    assert len(names) == len(ROWS)


@pytest.mark.skipif(study._has_imitation(), reason="imitation is installed here")
def test_gail_of_imitation_is_asked_for_where_it_is(small, tmp_path):
    done = CliRunner().invoke(
        cli.main,
        ["reproduce", "control-tasks", "--method", THEIRS, "--out", str(tmp_path)],
    )
    assert done.exit_code == 1
    assert "pip install 'sb3-vdb[imitation]'" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.stacks
def test_gail_of_imitation_trains(small, tmp_path):
    pytest.importorskip("imitation")
    runs.train_and_record(tmp_path, "Pendulum", lambda *_: None)
    run = runs.control_run(tmp_path, "Pendulum", THEIRS, 0)
    run.claim()
    told = []
    study._train(run, lambda done, note: told.append(done))
    evaluations = pd.read_csv(run.folder / "evaluations.csv")
    assert evaluations["steps"].tolist() == [0, 2048]
    assert told == [0, 2048]
    assert run.result()["return"] == pytest.approx(evaluations["return"].iloc[-1], abs=1e-3)
    train(run, lambda *_: 1 / 0)  # nothing is left to do
