"""The world model alone, and what can be read out of it."""

import numpy as np
import pandas as pd
import pytest
import torch as th

from sb3_vdb.vmail.inspection import filtered
from sb3_vdb.vmail.probing import learn_model, read_out
from tests.vmail.small import make_demonstrations, make_model


@pytest.fixture(scope="module")
def model():
    made = make_model(
        demonstrations=make_demonstrations(n=6, length=40), batch_size=8, learning_rate=3e-3
    )
    learn_model(made, seconds=1000.0, n_updates=5)
    return made


def episodes(model, states_of):
    store = model.replay_buffer.expert
    rows = [store.episode(i) for i in range(6)]
    return [(each, states_of(model, each)) for each in rows]


def features(model, rows):
    return filtered(model, rows)[0].state.feat[:, 0].detach().double().numpy()


def test_learning_changes_the_world_model_and_nothing_else():
    model = make_model()
    before = {name: part.clone() for name, part in model.policy.state_dict().items()}
    assert learn_model(model, seconds=1000.0, n_updates=3) == 3
    after = model.policy.state_dict()
    changed = {name.split(".")[0] for name in before if not th.equal(before[name], after[name])}
    assert changed == {"world_model"}
    assert model._n_updates == model.num_timesteps == 0


def test_what_is_linear_in_the_belief_is_explained_now(model):
    """The ridge keeps a thousandth, of six of episodes that the map was fitted to."""

    def states(model, rows):
        feat = features(model, rows)
        return feat @ np.ones((feat.shape[1], 2)) * (1.0, -3.0) + 7.0

    known = episodes(model, states)
    found = read_out(model, known, known, n_ahead=5)
    assert (found.now < 0.05).all()
    assert (found.ahead > found.now).all()


def test_reading_twice_reads_the_same_and_takes_no_random_numbers(model):
    known = episodes(model, features)
    before = th.get_rng_state()
    first, second = (read_out(model, known, known) for _ in range(2))
    assert th.equal(th.get_rng_state(), before)
    np.testing.assert_array_equal(first.ahead, second.ahead)


def test_what_is_not_in_the_belief_is_not_explained(model):
    rng = np.random.default_rng(0)
    known = episodes(model, lambda _, rows: rng.normal(size=(len(rows["actions"]), 1)))
    found = read_out(model, known[:4], known[4:])
    assert found.now > 0.7
    assert found.ahead > 0.7


def test_a_constant_number_has_nothing_to_explain(model):
    known = episodes(model, lambda _, rows: np.ones((len(rows["actions"]), 1)))
    assert read_out(model, known, known).now == 0.0


def test_bad_arguments_are_refused(model):
    rows = model.replay_buffer.expert.episode(0)
    with pytest.raises(ValueError, match="41 observations and 40 states"):
        read_out(model, [(rows, np.zeros((40, 1)))] * 2, [(rows, np.zeros((40, 1)))])
    with pytest.raises(ValueError, match="10 are left out and `n_ahead` is 31"):
        read_out(model, *[[(rows, np.zeros((41, 1)))]] * 2, n_ahead=31)
    with pytest.raises(ValueError, match="`tested_on` is empty"):
        read_out(model, [(rows, np.zeros((41, 1)))], [])
    with pytest.raises(ValueError, match="`n_ahead` must be a whole number from 1 on"):
        read_out(model, *[[(rows, np.zeros((41, 1)))]] * 2, n_ahead=0)
    with pytest.raises(ValueError, match="`seconds` must be a positive"):
        learn_model(model, seconds=0.0)


def test_the_study_writes_a_row_a_variant(tmp_path, monkeypatch):
    pytest.importorskip("dm_control")
    from sb3_vdb.demonstrations import recording
    from sb3_vdb.experiments.framework.job import Workers
    from sb3_vdb.experiments.vmail_probe import study

    load = recording.load

    def short(name):
        made = load(name)
        cut = [
            each._replace(
                actions=each.actions[:40], rewards=each.rewards[:40], states=each.states[:40]
            )
            for each in made.episodes[:4]
        ]
        limited = {**made.env_kwargs, "max_episode_steps": 40}
        return made._replace(episodes=tuple(cut), env_kwargs=limited)

    monkeypatch.setattr(study.recording, "load", short)
    monkeypatch.setattr(study, "_random_recording", lambda run: short(run.task))
    monkeypatch.setattr(study, "N_TESTED", 2)
    monkeypatch.setattr(
        study, "run_jobs", lambda jobs, workers: [job.work(lambda *_: None) for job in jobs]
    )
    arguments = ("CartpoleSwingup", ["preset", "kl_coef 1"], range(1), 0.2, tmp_path, None)
    (path,) = study.vmail_probe(*arguments, Workers(1), table_only=False)
    table = pd.read_csv(path)
    assert list(table["variant"]) == ["preset", "kl_coef 1"]
    assert {"updates", "angle", "angle, 5 ahead", "rates"} <= set(table)
    assert (table["updates"] > 0).all()
    assert study.vmail_probe(*arguments, Workers(1), table_only=True) == [path]
