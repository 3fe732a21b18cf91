"""What lies outside the networks is saved with them; what cannot be is found out at the start."""

import gc
import threading
import warnings

import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from sb3_vdb import GAIL, VAIL, make_vec_env
from sb3_vdb.files import write_text
from sb3_vdb.run_state import get_env_state, set_env_state, to_arrays, to_tensors
from tests.adversarial.generators import make_generator, make_trainer
from tests.conftest import MAZE
from tests.vmail.small import Dot, make_demonstrations, make_model


def make_stack(kind):
    venv = DummyVecEnv([lambda: Dot(kind)])
    venv.seed(0)
    return VecFrameStack(venv, 2)


def test_stacks_and_moments_of_several_parts_come_back():
    """Case 11: a VecFrameStack over Dict observations has no `stacked_obs`."""
    stacks = [VecNormalize(make_stack("both"), norm_obs_keys=["robot.pos"]) for _ in range(2)]
    for venv in stacks:
        venv.reset()
    for _ in range(3):
        stacks[0].step(np.full((1, 2), 0.5, np.float32))
    state = to_arrays(to_tensors(get_env_state(stacks[0])))
    assert not set_env_state(stacks[1], state)  # the environment itself cannot say where it is
    one, other = (venv.venv.stacked_obs.sub_stacked_observations for venv in stacks)
    for name in one:
        np.testing.assert_array_equal(one[name].stacked_obs, other[name].stacked_obs)
    np.testing.assert_array_equal(
        stacks[0].obs_rms["robot.pos"].mean, stacks[1].obs_rms["robot.pos"].mean
    )


def test_vmail_on_stacked_frames_of_several_parts_can_be_saved(tmp_path):
    demonstrations = make_demonstrations("both")
    stacked = []
    for each in demonstrations:
        parts = {
            name: np.concatenate([np.concatenate([part[:1], part[:-1]]), part], axis=-1)
            for name, part in each.observations.items()
        }
        stacked.append(type(each)(parts, each.actions, each.rewards))
    model = make_model(
        "both", make_stack("both"), demonstrations=type(demonstrations)(stacked), pretrain_steps=0
    )
    model.env.reset()
    model.save(tmp_path / "model.zip")
    type(model).load(tmp_path / "model.zip", env=make_stack("both"), device="cpu")


def speechless_maze():
    venv = make_vec_env(MAZE, 2)
    inner = venv
    while hasattr(inner, "venv"):
        inner = inner.venv
    inner.env.unwrapped.get_state = lambda: {"lock": threading.Lock()}
    return venv


def test_a_state_that_no_file_can_hold_is_warned_of_and_loses_nothing_else(demos, tmp_path):
    venv = speechless_maze()
    trainer = make_trainer("GAIL", "PPO", demos, venv=venv)
    with pytest.warns(UserWarning, match="cannot be saved .*lock.* begins new episodes"):
        trainer.learn(2)  # found out before the training
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = trainer.save(tmp_path / "trainer.zip")
    loaded = GAIL.load(path, make_vec_env(MAZE, 2))
    assert loaded.num_timesteps == trainer.num_timesteps


# --- what is accepted can be saved (case 34)


def test_numpys_numbers_can_be_saved(demos, tmp_path):
    trainer = make_trainer(
        "VAIL",
        "PPO",
        demos,
        trace_updates=np.bool_(False),
        relabel=np.bool_(True),
        discriminator_kwargs={
            "code_dim": np.int64(4),
            "trunk_kwargs": {"net_arch": np.array([8]).tolist()},
        },
        input_noise_std=np.float64(0.1),
        information_limit=np.float32(0.5),
    )
    loaded = VAIL.load(trainer.save(tmp_path / "t.zip"), make_vec_env(MAZE, 2))
    assert loaded.settings == trainer.settings
    assert loaded.discriminator.code_dim == 4


def test_a_generator_that_no_file_can_name_or_hold_is_refused_at_the_start(demos):
    class Local(SAC):
        pass

    venv = make_vec_env(MAZE, 2)
    with pytest.raises(ValueError, match=r"Local is defined inside a function"):
        GAIL(demos, venv, Local("MlpPolicy", venv, device="cpu"), demo_batch_size=20)
    generator = make_generator("PPO", venv)
    generator.note = threading.Lock()
    with pytest.raises(ValueError, match="no file can hold"):
        GAIL(demos, venv, generator, demo_batch_size=20)
    assert generator.get_env() is venv  # nothing was wrapped


def test_a_schedule_of_vmail_that_no_file_can_hold_is_refused_at_the_start():
    lock = threading.Lock()
    with pytest.raises(ValueError, match="no file can hold"):
        make_model("vectors", exploration_noise=lambda progress: 0.1 if lock else 0.0)


def test_numpys_numbers_go_through_vmails_files(tmp_path):
    model = make_model("vectors", buffer_size=np.int64(200), pretrain_steps=0)
    model.learn(15)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "replay.npz")
    model.save_replay_buffer(tmp_path / "parts", parts=True)
    for path in ("replay.npz", "parts"):
        loaded = type(model).load(tmp_path / "model.zip", env=Dot("vectors"), device="cpu")
        loaded.load_replay_buffer(tmp_path / path)
        assert loaded.replay_buffer.policy.get_table() == model.replay_buffer.policy.get_table()


# --- when it is saved (case 39)


class SaveAt(BaseCallback):
    """Saves in a step, or between rollouts."""

    def __init__(self, trainer, path, within_step):
        super().__init__()
        self.trainer, self.path, self.within_step = trainer, path, within_step

    def _on_step(self):
        if self.within_step:
            self.trainer.save(self.path)
        return True

    def _on_rollout_start(self):
        if not self.within_step:
            self.trainer.save(self.path)


def test_an_off_policy_trainer_refuses_to_be_saved_within_a_step(demos, tmp_path):
    path = tmp_path / "t.zip"
    trainer = make_trainer("GAIL", "SAC", demos)
    with pytest.raises(ValueError, match=r"before SAC has stored the step; use TrainerCheckpoint"):
        trainer.learn(2, callback=SaveAt(trainer, path, True))
    assert not path.exists()
    trainer.learn(2, callback=SaveAt(trainer, path, False))
    assert path.exists()
    trainer.save(path)


def test_loggers_end_with_their_trainers(demos, tmp_path):
    """TensorBoard's writer is a thread of its own."""
    before = threading.active_count()
    for i in range(3):
        make_trainer("GAIL", "PPO", demos, log_dir=tmp_path / str(i))
    gc.collect()
    assert threading.active_count() <= before + 1


def test_a_log_folder_may_begin_with_a_tilde(demos, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_text("~/there", "")
    trainer = make_trainer("GAIL", "PPO", demos, log_dir="~/logs")
    assert (tmp_path / "logs" / "progress.csv").exists()
    assert trainer.save("~/saved/t.zip") == tmp_path / "saved" / "t.zip"
