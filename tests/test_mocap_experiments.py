"""Training a skill in a folder: interrupted and resumed, tabled, shipped, filmed."""

import json

import imageio.v2 as imageio
import numpy as np
import pandas as pd
import pytest
import torch as th
from click.testing import CliRunner

from sb3_vdb import make_vec_env, pretrained
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.cli import main
from sb3_vdb.evaluation import evaluate_imitation
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.experiments import experts, mocap, mocap_table
from sb3_vdb.experiments.checkpoints import save_model
from sb3_vdb.experiments.mocap import MocapSettings, Run, train_skill

pytest.importorskip("mujoco")
RUN = "sb3_vdb/HumanoidRun-v0"
SMALL = MocapSettings(samples=512, n_envs=16, n_steps=8, batch_size=64, evaluate_every=256)


def small_run(tmp_path, **changes):
    return Run(tmp_path / "Run_0", "Run", 0, SMALL._replace(**changes))


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
    with pytest.raises(ValueError, match=r"holds another run.*choose another folder"):
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
    monkeypatch.setattr(mocap_table, "LEAST_FULL_SHARE", 0.0)
    few = tuple(engine._replace(episodes=2) for engine in mocap_table.ENGINES)
    monkeypatch.setattr(mocap_table, "ENGINES", few)
    monkeypatch.setattr(mocap_table, "VIDEO_SECONDS", 0.3)
    folder, docs = tmp_path / "runs", tmp_path / "docs"
    for seed in (0, 1):
        run = Run(folder / f"Run_{seed}", "Run", seed, SMALL)
        mocap_table._train_and_evaluate(run, lambda done, note: None)
    table = mocap_table.write_table(folder, docs)
    assert len(table) == 2 * 4
    assert set(table["engine"]) == {engine.name for engine in few}
    names = {"table.csv", "summary.csv", "curves.csv", "curves.png", "versions.json", "run.gif"}
    assert names == {path.name for path in docs.iterdir()}
    (path,) = mocap_table.ship(folder, tmp_path / "shipped")
    card = path.with_suffix(".md").read_text()
    assert "Networks 512-256" in card
    best = table[table["engine"] == "MuJoCo 1/240 s"].sort_values("joint_error").iloc[0]
    assert f"seed {best['seed']}" in card
    rows = table.set_index(["engine", "seed"])["joint_error"]
    assert f"| Bullet 1/1200 s | {rows['Bullet 1/1200 s', best['seed']]:.3f}" in card


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
        run = Run(tmp_path / f"Run_{seed}", "Run", seed, SMALL._replace(samples=samples))
        mocap._claim(run)
        (run.folder / "engines.csv").write_text("engine\n")
    with pytest.raises(ValueError, match="trained with other settings"):
        mocap_table.write_table(tmp_path, None)


def test_the_command_names_unknown_skills():
    result = CliRunner().invoke(main, ["reproduce", "humanoid", "--skill", "Backflp"])
    assert result.exit_code == 2
    assert "sb3_vdb/HumanoidBackflip-v0" in result.output


# --- shipped policies


def test_a_running_humanoid_ships():
    assert "HumanoidRun" in pretrained.available()


@pytest.mark.parametrize("name", pretrained.available())
def test_every_shipped_policy_is_small_has_a_card_and_keeps_its_word(name):
    """Four episodes: it survives, at the clip's speed, and near the error that its card states."""
    path = pretrained.FOLDER / f"{name}.pt"
    assert path.stat().st_size < 2_000_000
    card = path.with_suffix(".md").read_text()
    stated = float(card.split("| MuJoCo 1/240 s |")[1].split("|")[0])
    env_id = f"sb3_vdb/{name}-v0"
    policy = pretrained.load_pretrained(env_id)
    venv = make_vec_env(env_id, 4, seed=1, every_step_infos=True)
    result = evaluate_imitation(policy, venv)
    assert result.joint_error_alive < stated + 0.05
    assert result.full_share >= 0.5


def test_a_saved_policy_predicts_the_same_after_loading(tmp_path):
    model = DeepMimicPPO(env=make_vec_env(RUN, 2), n_steps=8, batch_size=16, device="cpu")
    model.learn(32)
    pretrained.save_policy(model.policy, tmp_path / "policy.pt", "# card")
    loaded = pretrained.load_policy(tmp_path / "policy.pt", RUN)
    observations = model.get_env().reset()
    mine, _ = model.predict(observations, deterministic=True)
    theirs, _ = loaded.predict(observations, deterministic=True)
    np.testing.assert_allclose(mine, theirs, atol=2e-3)  # weights in half precision


def test_a_policy_that_the_file_cannot_hold_is_refused(tmp_path):
    kwargs = {"activation_fn": th.nn.Tanh}
    model = DeepMimicPPO(env=make_vec_env(RUN, 2), n_steps=8, policy_kwargs=kwargs, device="cpu")
    with pytest.raises(ValueError, match="activation_fn must be those of DeepMimicPolicy"):
        pretrained.save_policy(model.policy, tmp_path / "policy.pt", "")


def test_an_environment_without_a_policy_says_which_have_one():
    with pytest.raises(ValueError, match="no policy comes with the package for sb3_vdb/CMaze-v0"):
        pretrained.load_pretrained("sb3_vdb/CMaze-v0")


# --- videos


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_video_has_the_frames_of_the_time_it_shows(tmp_path, suffix):
    path = record_video(
        RUN, None, tmp_path / f"run{suffix}", 0.4, env_kwargs={"render_height": 64}, every=2
    )
    frames = imageio.mimread(path)
    assert len(frames) == 6  # 12 control steps, every second
    assert frames[0].shape[:2] == (64, 114)
    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).max() > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sb3_vdb/HumanoidJog-v0"], "did you mean"),
        ([RUN, "--out", "x.avi"], "must end in .mp4 or .gif"),
        ([RUN, "--pretrained", "--model", __file__], "not both"),
        (["sb3_vdb/SMaze-v0", "--pretrained"], "no policy comes with the package"),
        ([RUN, "--model", __file__, "--algo", "QPO"], "`--algo` QPO is no algorithm"),
        ([RUN, "--model", __file__, "--algo", "common"], "`--algo` common is no algorithm"),
        ([RUN, "--clip", "hop"], "neither a file nor a known clip"),
    ],
)
def test_a_recording_that_cannot_be_made_is_refused_by_name(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["record", *arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_skills_and_experts_can_be_trained_on_a_cluster(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(mocap_table, "run_table", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(experts, "train_experts", lambda *arguments: calls.append(arguments))
    where = ["--out", str(tmp_path), "--engine", "ray", "--address", "auto", "--workers", "3"]
    for command in (
        ["humanoid", "--skill", "Run"],
        ["experts", "--task", "WalkerWalk", "--action-repeat", "4", "--stochastic"],
    ):
        result = CliRunner().invoke(main, ["reproduce", *command, *where])
        assert result.exit_code == 0, result.output
    runs = MocapSettings(samples=4_000_000)
    assert calls == [
        (tmp_path, ("Run",), range(3), 3, runs, None, "ray", "auto"),
        (
            tmp_path,
            ["WalkerWalk"],
            0,
            3,
            None,
            None,
            "ray",
            "auto",
            experts.ExpertSettings(action_repeat=4),
            True,
        ),
    ]


def test_the_command_films_a_saved_model(tmp_path):
    model = DeepMimicPPO(env=make_vec_env(RUN, 2), n_steps=8, batch_size=16, device="cpu")
    model.save(tmp_path / "model.zip")
    out = tmp_path / "film.gif"
    arguments = ["record", RUN, "--model", str(tmp_path / "model.zip"), "--algo", "DeepMimicPPO"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out), "--seconds", "0.2"])
    assert result.exit_code == 0, result.output
    assert out.stat().st_size > 1000
