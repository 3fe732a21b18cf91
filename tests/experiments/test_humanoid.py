"""Training a skill in a folder: interrupted and resumed, tabled, shipped."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb import make_vec_env
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.cli import main
from sb3_vdb.experiments.experts import table as experts
from sb3_vdb.experiments.experts.training import ExpertSettings
from sb3_vdb.experiments.framework.checkpoints import save_model
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.run import versions_of
from sb3_vdb.experiments.humanoid import shipping, study, table
from sb3_vdb.experiments.humanoid.training import MocapSettings, SkillRun, train_skill

pytest.importorskip("mujoco")
RUN = "sb3_vdb/HumanoidRun-v0"
SMALL = MocapSettings(samples=512, n_envs=16, n_steps=8, batch_size=64, evaluate_every=256)


def small_run(tmp_path, **changes):
    return SkillRun(tmp_path, "Run", 0, SMALL._replace(**changes))


class Interrupted(Exception):
    pass


def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path):
    run, seen = small_run(tmp_path), []

    def stop(samples, result):
        if samples >= 384:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_skill(run, stop)
    assert (run.folder / "checkpoint.zip").exists()
    assert not (run.folder / "model.zip").exists()
    path = train_skill(run, lambda samples, result: seen.append((samples, result is not None)))
    assert seen[0][0] == 256  # where the checkpoint was written
    model = DeepMimicPPO.load(path, device="cpu")
    assert model.num_timesteps == 512
    evaluations = pd.read_csv(run.folder / "evaluations.csv")
    assert evaluations["samples"].tolist() == [0, 256, 512]
    assert evaluations["seconds"].is_monotonic_increasing
    assert not (run.folder / "checkpoint.zip").exists()
    assert (run.folder / "progress_from_256.csv").exists()
    assert train_skill(run) == path  # nothing is done twice


def test_a_folder_of_another_run_is_refused(tmp_path):
    train_skill(small_run(tmp_path, samples=128))
    (tmp_path / "Run_0" / "model.zip").unlink()
    with pytest.raises(
        ValueError,
        match=r"Run_0 holds a run with settings\.samples 128, .* 256; choose another folder",
    ):
        train_skill(small_run(tmp_path, samples=256))


def test_an_interrupted_save_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    model = DeepMimicPPO(env=make_vec_env(RUN, 2), n_steps=8, batch_size=16, device="cpu")
    path = tmp_path / "checkpoint.zip"
    save_model(model, path)
    before = path.read_bytes()
    monkeypatch.setattr("sb3_vdb.files.os.replace", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(model, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.zip"]


@pytest.mark.slow
def test_the_table_is_made_by_one_command_and_its_best_policy_ships(tmp_path, monkeypatch):
    pytest.importorskip("pybullet")
    monkeypatch.setattr(shipping, "LEAST_FULL_SHARE", 0.0)
    few = tuple(row._replace(episodes=2) for row in table.SIMULATOR_ROWS)
    monkeypatch.setattr(table, "SIMULATOR_ROWS", few)
    monkeypatch.setattr(table, "VIDEO_SECONDS", 0.3)
    folder, docs = tmp_path / "runs", tmp_path / "docs"
    runs = [SkillRun(folder, "Run", seed, SMALL) for seed in (0, 1)]
    for run in runs:
        table.train_and_evaluate(run, lambda done, note: None)
    # made long ago, elsewhere
    (runs[0].folder / "versions.json").write_text('[{"torch": "old"}]')
    rows = table.write_table(folder, docs)
    assert len(rows) == 2 * 4
    assert set(rows["simulator"]) == {row.name for row in few}
    names = {"table.csv", "summary.csv", "curves.csv", "curves.png", "versions.json", "run.gif"}
    assert names == {path.name for path in docs.iterdir()}
    made_with = json.loads((docs / "versions.json").read_text())
    assert made_with == versions_of(runs)
    assert "old" in made_with["torch"].split(", ")
    (path,) = shipping.ship(folder, tmp_path / "shipped")
    card = path.with_suffix(".md").read_text()
    assert "Networks 512-256" in card
    best = rows[rows["simulator"] == "MuJoCo 1/240 s"].sort_values("joint_error").iloc[0]
    assert f"seed {best['seed']}" in card
    errors = rows.set_index(["simulator", "seed"])["joint_error"]
    assert f"| Bullet 1/1200 s | {errors['Bullet 1/1200 s', best['seed']]:.3f}" in card


@pytest.mark.slow
def test_the_command_trains_in_processes_and_continues(tmp_path):
    pytest.importorskip("pybullet")
    arguments = ["reproduce", "humanoid", "--skill", "Run", "--seeds", "1", "--samples", "2048"]
    arguments += ["--workers", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    row = pd.read_csv(tmp_path / "table.csv")
    assert row["samples"].tolist() == [2048] * 4
    config = json.loads((tmp_path / "Run_0" / "config.json").read_text())
    assert config["settings"]["samples"] == 2048
    again = CliRunner().invoke(main, [*arguments, "--table-only"])
    assert again.exit_code == 0, again.output


def test_runs_of_different_settings_make_no_table(tmp_path):
    for seed, samples in ((0, 128), (1, 256)):
        run = SkillRun(tmp_path, "Run", seed, SMALL._replace(samples=samples))
        run.claim()
        (run.folder / "simulators.csv").write_text("simulator\n")
    with pytest.raises(ValueError, match="trained with other settings"):
        table.write_table(tmp_path, None)


def test_the_command_names_unknown_skills():
    result = CliRunner().invoke(main, ["reproduce", "humanoid", "--skill", "Backflp"])
    assert result.exit_code == 2
    assert "sb3_vdb/HumanoidBackflip-v0" in result.output


def test_skills_and_experts_can_be_trained_on_a_cluster(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(study, "run_table", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(experts, "train_experts", lambda *arguments: calls.append(arguments))
    where = ["--out", str(tmp_path), "--backend", "ray", "--address", "auto", "--workers", "3"]
    for command in (
        ["humanoid", "--skill", "Run"],
        ["experts", "--task", "WalkerWalk", "--action-repeat", "4", "--stochastic"],
    ):
        result = CliRunner().invoke(main, ["reproduce", *command, *where])
        assert result.exit_code == 0, result.output
    runs, cluster = MocapSettings(samples=4_000_000), Workers(3, "ray", "auto")
    settings = ExpertSettings(action_repeat=4)
    assert calls == [
        (tmp_path, ("Run",), range(3), runs, cluster, None),
        (tmp_path, ("WalkerWalk",), 0, cluster, None, None, settings, True),
    ]
