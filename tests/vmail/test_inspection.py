"""What a model sees, expects and rewards along an episode."""

import numpy as np
import pytest
import torch as th
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sb3_vdb.vmail import InspectionCallback
from sb3_vdb.vmail.callbacks import strip
from sb3_vdb.vmail.inspection import follow, predict_pictures
from tests.vmail.small import Dot, make_model


def test_a_prediction_sees_its_context_and_nothing_after_it():
    model = make_model()
    rows = model.replay_buffer.expert.episode(0)
    prediction = predict_pictures(model, rows, n_context=4, n_steps=10)
    assert prediction.seen.shape == prediction.predicted.shape == (10, 16, 16, 3)
    pictures = rows["observations/observation"]
    assert np.array_equal(prediction.seen, np.moveaxis(pictures[:10].numpy(), 1, -1))
    assert np.array_equal(prediction.predicted[:4], prediction.reconstructed[:4])
    th.manual_seed(0)
    before = predict_pictures(model, rows, 4, 10).predicted
    changed = {name: part.clone() for name, part in rows.items()}
    changed["observations/observation"][4:] = 200
    th.manual_seed(0)
    assert np.array_equal(predict_pictures(model, changed, 4, 10).predicted, before)


def test_figures_along_an_episode_are_those_of_its_states_and_actions():
    model = make_model("both")
    rows = model.replay_buffer.expert.episode(0)
    course = follow(model, rows)
    assert course.rewards.shape == (12,)
    assert course.belief_kl.shape == (13,)
    assert (course.rewards < 0.0).all()  # log D
    assert (course.belief_kl >= 0.0).all()


def test_vectors_have_no_pictures_to_draw():
    model = make_model("vectors")
    with pytest.raises(ValueError, match="no pictures"):
        predict_pictures(model, model.replay_buffer.expert.episode(0))


@pytest.mark.parametrize("kind", ["pixels", "vectors"])
def test_tensorboard_gets_strips_and_figures(kind, tmp_path):
    model = make_model(kind, tensorboard_log=str(tmp_path))
    model.learn(30, callback=InspectionCallback(every=15, n_context=2, n_steps=8, n_shown=4))
    events = EventAccumulator(str(next(tmp_path.iterdir())))
    events.Reload()
    assert "inspection/policy_reward" in events.Tags()["scalars"]
    pictures = events.Tags()["images"]
    assert pictures == (["inspection/expert", "inspection/policy"] if kind == "pixels" else [])


def look(every=15):
    return InspectionCallback(every=every, n_context=2, n_steps=8, n_shown=4)


def test_looking_changes_nothing():
    runs = [make_model().learn(30, callback=each) for each in (None, look())]
    pairs = zip(*(each.policy.parameters() for each in runs), strict=True)
    assert all(th.equal(one, other) for one, other in pairs)


def test_a_run_that_goes_on_looks_when_an_uninterrupted_one_would(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "sb3_vdb.vmail.callbacks.follow",
        lambda model, rows: seen.append(model.num_timesteps) or follow(model, rows),
    )
    make_model("vectors").learn(30, callback=look(12))
    whole, seen[:] = sorted(set(seen)), []
    model = make_model("vectors").learn(20, callback=look(12))
    model.learn(10, callback=look(12), reset_num_timesteps=False)
    assert sorted(set(seen)) == whole == [20, 30]


def test_a_strip_has_three_rows():
    model = make_model()
    prediction = predict_pictures(model, model.replay_buffer.expert.episode(0), 3, 9)
    assert strip(prediction, 5).shape == (3 * 16, 5 * 16, 3)


def test_short_episodes_are_not_drawn():
    model = make_model(env=Dot("pixels", 3))
    model.learn(20, callback=InspectionCallback(every=5, n_context=6, n_steps=12))
    with pytest.raises(ValueError, match="`n_context` is 6"):
        predict_pictures(model, model.replay_buffer.policy.episode(0), 6, 12)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`n_context`"):
        InspectionCallback(n_context=50, n_steps=50)
    with pytest.raises(ValueError, match="`every`"):
        InspectionCallback(every=0)
