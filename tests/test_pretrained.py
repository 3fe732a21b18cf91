"""Policies that ship with the package, and videos of policies."""

import gymnasium as gym
import imageio.v2 as imageio
import numpy as np
import pytest
import torch as th
from click.testing import CliRunner

from sb3_vdb import make_vec_env, pretrained
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.cli import main
from sb3_vdb.evaluation import evaluate_imitation
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.saved_models import load_model

pytest.importorskip("mujoco")
RUN = "sb3_vdb/HumanoidRun-v0"


def test_a_running_humanoid_ships():
    assert "HumanoidRun" in pretrained.available()


SHIPPED = [(method, name) for method in pretrained.METHODS for name in pretrained.available(method)]


@pytest.mark.parametrize(("method", "name"), SHIPPED)
def test_every_shipped_policy_is_small_has_a_card_and_keeps_its_word(method, name):
    """Four episodes: it survives, at the clip's speed, and near the error that its card states."""
    path = pretrained.FOLDER / f"{name}{pretrained.METHODS[method]}.pt"
    assert path.stat().st_size < 2_000_000
    card = path.with_suffix(".md").read_text()
    stated = float(card.split("| MuJoCo 1/240 s |")[1].split("|")[0])
    env_id = f"sb3_vdb/{name}-v0"
    policy = pretrained.load_pretrained(env_id, method=method)
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
    with pytest.raises(ValueError, match="`method` must be one of DeepMimic, VAIL, got 'PPO'"):
        pretrained.load_pretrained(RUN, method="PPO")


@pytest.mark.parametrize("name", sorted({name for _, name in SHIPPED}))
def test_without_a_method_there_is_a_policy_wherever_one_ships(name):
    methods = [method for method, each in SHIPPED if each == name]
    observation = gym.make(f"sb3_vdb/{name}-v0").reset(seed=0)[0]
    ours, theirs = (
        pretrained.load_pretrained(f"sb3_vdb/{name}-v0", method=method).predict(
            observation, deterministic=True
        )[0]
        for method in (None, methods[0])
    )
    np.testing.assert_array_equal(ours, theirs)


def test_a_shipped_policys_file_is_read_like_any_other():
    path = pretrained.FOLDER / "HumanoidRun.pt"
    observation = np.zeros((1, *gym.make(RUN).observation_space.shape), np.float32)
    ours, _ = load_model(path, env_id=RUN).predict(observation, deterministic=True)
    theirs, _ = pretrained.load_pretrained(RUN).predict(observation, deterministic=True)
    np.testing.assert_array_equal(ours, theirs)


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
        ([RUN, "--method", "VAIL"], "add --pretrained"),
        (["sb3_vdb/SMaze-v0", "--pretrained"], "no policy comes with the package"),
        ([RUN, "--model", __file__], "truncated, damaged or of another kind"),
        ([RUN, "--arg", "clip=hop"], "neither a file nor a known clip"),
    ],
)
def test_a_recording_that_cannot_be_made_is_refused_by_name(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["record", *arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_the_command_films_a_saved_model(tmp_path):
    model = DeepMimicPPO(env=make_vec_env(RUN, 2), n_steps=8, batch_size=16, device="cpu")
    model.save(tmp_path / "model.zip")
    out = tmp_path / "film.gif"
    arguments = ["record", RUN, "--model", str(tmp_path / "model.zip")]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out), "--seconds", "0.2"])
    assert result.exit_code == 0, result.output
    assert out.stat().st_size > 1000
