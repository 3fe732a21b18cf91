"""Saving, loading, and going on exactly where a run stopped."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env as sb3_make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb import AIRL, GAIL, VAIL, VAIRL, RecoveredReward, TrainerCheckpoint, files, make_vec_env
from sb3_vdb.adversarial import checkpoint
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.replay_state import get_buffer_state, set_buffer_state
from sb3_vdb.run_state import to_arrays, to_tensors
from tests.adversarial.generators import ALGORITHMS, GENERATORS, make_generator, make_trainer
from tests.conftest import MAZE

N = 400  # steps of each half: four rounds, and episodes that are cut by the interruption


def make_venv(normalize):
    venv = make_vec_env(MAZE, 2, seed=0, env_kwargs={"start_noise": 0.03})
    return VecNormalize(venv) if normalize else venv


def fingerprint(trainer) -> str:
    """Hash of what a run is about: policy, optimisers, discriminator, beta, normaliser, samples."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for each in value:
                add(each)
        elif isinstance(value, th.Tensor):
            digest.update(value.detach().numpy().tobytes())
        elif isinstance(value, np.ndarray):
            digest.update(value.tobytes())
        else:
            digest.update(repr(value).encode())

    add(trainer.policy.state_dict())
    for name, state in sorted(trainer.gen_algo.get_parameters().items()):
        add((name, state))
    add(trainer.discriminator.state_dict())
    add(trainer.rounds.learner.optimizer.state_dict()["state"])
    add(
        (
            trainer.dual.beta if trainer.dual else None,
            trainer.n_rounds,
            trainer.rounds.learner.n_updates,
        )
    )
    add((vars(trainer.rounds.reward_scaling), trainer.num_timesteps))
    add(trainer.gen_algo._last_obs)
    replay = getattr(trainer.gen_algo, "replay_buffer", None)
    if replay is not None:
        add((replay.pos, replay.observations[: replay.pos], replay.rewards[: replay.pos]))
    normalize = trainer.gen_algo.get_vec_normalize_env()
    if normalize is not None:
        add((normalize.obs_rms.mean, normalize.ret_rms.var, normalize.returns))
    return digest.hexdigest()


CASES = [
    ("VAIRL", "TRPO", False),
    ("VAIL", "PPO", False),
    ("VAIL", "PPO", True),
    ("AIRL", "A2C", False),
    ("GAIL", "SAC", False),
    ("VAIRL", "SAC", True),
    ("VAIL", "TD3", False),
    ("AIRL", "TQC", False),
]

CONTINUE = """
import sys
import torch as th
th.set_num_threads(1)
from tests.adversarial.test_save_load import ALGORITHMS, N, fingerprint, make_venv
path, algorithm, normalize = sys.argv[1:]
trainer = ALGORITHMS[algorithm].load(path, make_venv(normalize == "True"))
trainer.learn(N, reset_num_timesteps=False)
print(fingerprint(trainer))
"""


def continued_in_a_new_process(path, algorithm, normalize) -> str:
    command = [sys.executable, "-c", CONTINUE, str(path), algorithm, str(normalize)]
    root = Path(__file__).parent.parent.parent
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()[-1]


@pytest.mark.parametrize(("algorithm", "generator", "normalize"), CASES)
def test_2n_steps_equal_n_save_load_in_a_new_process_n(
    algorithm, generator, normalize, demos, tmp_path
):
    def make():
        return make_trainer(
            algorithm,
            generator,
            demos,
            venv=make_venv(normalize),
            grad_penalty_coef=0.1,
            reward_scaling="std",
        )

    whole = make().learn(2 * N)
    half = make().learn(N)
    path = half.save(tmp_path / "half")
    assert continued_in_a_new_process(path, algorithm, normalize) == fingerprint(whole)


def test_a_falling_learning_rate_goes_on_from_a_checkpoint(demos, tmp_path):
    """A run of 2N that was stopped after its checkpoint at N ends like one that was not."""

    def make():
        return make_trainer(
            "VAIRL", "TRPO", demos, venv=make_venv(False), gen_kwargs={"learning_rate": falling}
        )

    def falling(progress_left):
        return 1e-2 * progress_left

    class Stop(BaseCallback):
        def _on_step(self):
            return self.num_timesteps <= N

    whole = make().learn(2 * N)
    stopped = make()
    checkpoints = TrainerCheckpoint(stopped, tmp_path, every_n_rounds=N // 100)
    stopped.learn(2 * N, callback=[checkpoints, Stop()])
    loaded = VAIRL.load(tmp_path / f"checkpoint_{N}.zip", make_venv(False))
    loaded.learn(N, reset_num_timesteps=False)
    assert fingerprint(loaded) == fingerprint(whole)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_predictions_and_rewards_survive_saving(algorithm, demos, tmp_path):
    trainer = make_trainer(algorithm, "PPO", demos).learn(200)
    loaded = ALGORITHMS[algorithm].load(trainer.save(tmp_path / "t"), make_vec_env(MAZE, 2))
    observations = make_vec_env(MAZE, 8, seed=5).reset()
    np.testing.assert_array_equal(
        trainer.predict(observations, deterministic=True)[0],
        loaded.predict(observations, deterministic=True)[0],
    )
    data = demos.transitions()
    np.testing.assert_array_equal(trainer.reward(data), loaded.reward(data))
    assert loaded.settings == trainer.settings
    assert [len(each) for each in loaded.demonstrations] == [len(each) for each in demos]


def test_without_environment_state_a_run_goes_on_with_new_episodes(demos, tmp_path):
    """Statistics of VecNormalize are kept even then."""

    def make(seed):
        return VecNormalize(sb3_make_vec_env(MAZE, 2, seed=seed))

    trainer = make_trainer("GAIL", "PPO", demos, venv=make(0)).learn(100)
    loaded = GAIL.load(trainer.save(tmp_path / "t"), make(1))
    assert loaded.venv.obs_rms.count == trainer.venv.obs_rms.count
    np.testing.assert_array_equal(loaded.venv.obs_rms.mean, trainer.venv.obs_rms.mean)
    loaded.learn(100, reset_num_timesteps=False)
    assert loaded.num_timesteps == 200


def test_arguments_of_ordinary_types_can_be_saved(demos, tmp_path):
    trainer = make_trainer(
        "VAIL",
        "PPO",
        demos,
        log_dir=tmp_path / "logs",
        demo_batch_size=np.int64(20),
        disc_learning_rate=np.float32(1e-3),
        seed=np.int64(3),
        device=th.device("cpu"),
    )
    loaded = VAIL.load(trainer.save(tmp_path / "name"), make_vec_env(MAZE, 2))
    assert loaded.settings == trainer.settings


def test_what_is_saved_as_a_name_is_loaded_as_that_name(demos, tmp_path):
    trainer = make_trainer("VAIL", "PPO", demos)
    assert trainer.save(tmp_path / "name") == tmp_path / "name.zip"
    VAIL.load(tmp_path / "name", make_vec_env(MAZE, 2))


def test_logs_of_a_loaded_run_do_not_overwrite_its_past(demos, tmp_path):
    trainer = make_trainer("VAIL", "PPO", demos, log_dir=tmp_path).learn(200)
    loaded = VAIL.load(trainer.save(tmp_path / "t"), make_vec_env(MAZE, 2))
    loaded.learn(200, reset_num_timesteps=False)
    curve = read_curve(tmp_path, "discriminator/beta")
    np.testing.assert_array_equal(curve["step"], [100, 200, 300, 400])


@pytest.fixture
def saved(demos, tmp_path):
    return make_trainer("VAIL", "PPO", demos).save(tmp_path / "trainer.zip")


def rewrite(path, **parts):
    """The zip file with some of its parts replaced (None drops one)."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("__", "."): part for name, part in parts.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in content.items():
            if part is not None:
                archive.writestr(name, part)
    path.write_bytes(buffer.getvalue())
    return path


def changed_description(path, **values):
    with zipfile.ZipFile(path) as archive:
        description = json.loads(archive.read("trainer.json"))
    return rewrite(path, trainer__json=json.dumps(description | values))


def load(path, cls=VAIL):
    return cls.load(path, make_vec_env(MAZE, 2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.zip"):
        load(tmp_path / "nothing.zip")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_a_truncated_file_is_refused(saved, share):
    saved.write_bytes(saved.read_bytes()[: int(share * saved.stat().st_size)])
    with pytest.raises(ValueError, match="truncated"):
        load(saved)


def test_a_file_of_another_class_is_refused(saved):
    with pytest.raises(
        ValueError, match=r"holds a VAIL \(.*:VAIL\), no AIRL .*; load it with VAIL\.load"
    ):
        load(saved, AIRL)


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_of_another_version_is_refused(saved, version):
    with pytest.raises(
        ValueError, match=f"format version {version} .* this one reads 2; use the one"
    ):
        load(changed_description(saved, version=version))


def test_sb3s_own_file_is_refused(tmp_path):
    make_generator("PPO", make_vec_env(MAZE, 2)).save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="SB3's own files"):
        load(tmp_path / "model.zip")


def test_a_foreign_zip_is_refused(saved):
    with pytest.raises(ValueError, match="no trainer file"):
        load(changed_description(saved, format="other"))


def test_damaged_tensors_are_refused(saved):
    with pytest.raises(DamagedFileError, match=r"tensors\.pt in .* is truncated"):
        load(rewrite(saved, tensors__pt=b"nothing"))


def test_a_damaged_generator_is_refused(saved):
    with pytest.raises(DamagedFileError, match=r"generator\.zip in .* is truncated, damaged"):
        load(rewrite(saved, generator__zip=b"nothing"))


def test_a_missing_part_is_refused(saved):
    with pytest.raises(ValueError, match=r"lacks tensors\.pt"):
        load(rewrite(saved, tensors__pt=None))


def test_a_generator_that_is_no_algorithm_is_refused(saved):
    for path in ("os:system", "subprocess:Popen"):
        with pytest.raises(ValueError, match=f"names {path}, which is no BaseAlgorithm"):
            load(changed_description(saved, generator_class=path))


def test_a_recurrent_policy_goes_on_with_its_memory(demos, tmp_path):
    """Also within episodes, which end at 100 steps; rollouts have 50."""

    def make():
        venv = make_vec_env(MAZE, 2, seed=0)
        model = RecurrentPPO(
            "MlpLstmPolicy",
            venv,
            n_steps=50,
            batch_size=50,
            n_epochs=1,
            seed=0,
            device="cpu",
            policy_kwargs={"net_arch": [8], "lstm_hidden_size": 8},
        )
        return GAIL(demos, venv, model, demo_batch_size=20, n_disc_updates_per_round=1, seed=0)

    whole, half = make().learn(200), make().learn(100)
    loaded = GAIL.load(half.save(tmp_path / "half"), make_vec_env(MAZE, 2))
    loaded.learn(100, reset_num_timesteps=False)
    assert fingerprint(loaded) == fingerprint(whole)


@pytest.mark.parametrize("normalize", [False, True])
def test_without_environments_a_trainer_predicts_evaluates_and_gives_its_reward(
    normalize, demos, tmp_path
):
    trainer = make_trainer(
        "VAIRL", "PPO", demos, venv=make_venv(normalize), log_dir=tmp_path / "logs"
    ).learn(200)
    path = trainer.save(tmp_path / "run")
    logs = sorted((tmp_path / "logs").iterdir())
    loaded = VAIRL.load(path)
    assert sorted((tmp_path / "logs").iterdir()) == logs
    observations = make_vec_env(MAZE, 8, seed=5).reset()
    np.testing.assert_array_equal(
        *(each.predict(observations, deterministic=True)[0] for each in (trainer, loaded))
    )
    ours, theirs = (each.evaluate(make_venv(normalize), 2) for each in (trainer, loaded))
    np.testing.assert_array_equal(ours.returns, theirs.returns)
    np.testing.assert_array_equal(ours.learned_returns, theirs.learned_returns)
    states = demos.transitions().observations
    np.testing.assert_array_equal(
        *(each.recovered_reward().of_states(states) for each in (trainer, loaded))
    )
    with pytest.raises(ValueError, match=r"loaded without environments.* call load\(path, venv\)"):
        loaded.learn(100, reset_num_timesteps=False)
    again = VAIRL.load(loaded.save(tmp_path / "again"), make_venv(normalize))
    again.learn(100, reset_num_timesteps=False)
    assert again.num_timesteps == 300


@pytest.mark.parametrize(
    ("generator", "normalize", "n_envs"), [("PPO", True, 3), ("SAC", False, 1)]
)
def test_another_number_of_environments_goes_on_with_new_episodes(
    generator, normalize, n_envs, demos, tmp_path
):
    def venv(n):
        made = make_vec_env(MAZE, n, seed=0)
        return VecNormalize(made) if normalize else made

    trainer = make_trainer("VAIL", generator, demos, venv=venv(2)).learn(200)
    loaded = VAIL.load(trainer.save(tmp_path / "run"), venv(n_envs))
    if normalize:
        np.testing.assert_array_equal(loaded.venv.obs_rms.mean, trainer.venv.obs_rms.mean)
    if generator == "SAC":
        ours, theirs = trainer.gen_algo.replay_buffer, loaded.gen_algo.replay_buffer
        n = 100 * 2 // n_envs
        np.testing.assert_array_equal(
            theirs.observations[:n].reshape(-1, 2)[-n * n_envs :],
            ours.observations[:100].reshape(-1, 2)[-n * n_envs :],
        )
        assert theirs.pos == n
    loaded.learn(150, reset_num_timesteps=False)
    assert loaded.num_timesteps >= 350
    assert loaded.n_rounds > trainer.n_rounds


def test_the_parts_of_observations_in_a_replay_buffer_are_kept():
    space = gym.spaces.Dict({"a": gym.spaces.Box(-1, 1, (2,)), "b": gym.spaces.Box(-1, 1, (1,))})
    buffers = [DictReplayBuffer(6, space, space["b"], n_envs=2) for _ in range(2)]
    rng = np.random.default_rng(0)
    for _ in range(4):  # one more than it holds
        parts = {"a": rng.uniform(size=(2, 2)), "b": rng.uniform(size=(2, 1))}
        buffers[0].add(parts, parts, np.zeros((2, 1)), np.ones(2), np.zeros(2), [{}, {}])
    set_buffer_state(buffers[1], to_arrays(to_tensors(get_buffer_state(buffers[0]))))
    assert (buffers[1].pos, buffers[1].full) == (1, True)
    for name in ("a", "b"):
        for kind in ("observations", "next_observations"):
            ours, theirs = (getattr(each, kind)[name] for each in buffers)
            np.testing.assert_array_equal(ours, theirs)
    single = DictReplayBuffer(4, space, space["b"], n_envs=1)
    set_buffer_state(single, get_buffer_state(buffers[0]))
    assert (single.pos, single.full) == (0, True)
    rows = buffers[0].observations["a"]
    np.testing.assert_array_equal(  # the latest four, oldest first
        single.observations["a"][:, 0], np.concatenate([rows[2], rows[0]])
    )


def test_a_trainer_is_no_reward_but_has_one(saved):
    with pytest.raises(ValueError, match=r"holds a whole trainer.*recovered_reward"):
        RecoveredReward.load(saved)


def test_other_environments_are_refused(saved):
    with pytest.raises(ValueError, match="does not fit"):
        VAIL.load(saved, make_vec_env("Pendulum-v1", 2))


def test_the_description_says_what_wrote_the_file(saved):
    with zipfile.ZipFile(saved) as archive:
        description = json.loads(archive.read("trainer.json"))
    assert set(description["versions"]) == {"sb3_vdb", "stable_baselines3", "gymnasium", "torch"}
    assert description["dual"]["beta"] == 0.1
    assert description["format"] == checkpoint.FORMAT


def test_an_interrupted_save_leaves_the_old_file(saved, demos, monkeypatch):
    before = saved.read_bytes()

    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        make_trainer("VAIL", "PPO", demos).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_every_supported_generator_has_a_resume_case():
    assert {generator for _, generator, _ in CASES} == set(GENERATORS)
