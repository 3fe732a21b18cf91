"""Numbers that are not finite, wherever they can come from."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.experiments.reliability.subjects import (
    ACTING,
    EPISODE_STEPS,
    KINDS,
    PLACES,
    ROUND,
    AtStep,
    Fault,
    Quiet,
    make_cloning,
    make_demonstrations,
    make_venv,
)
from sb3_vdb.experiments.reliability.trials import Trial, in_words
from sb3_vdb.vmail import VMAIL

PART = "not finite"
VALUES = (math.nan, math.inf, -math.inf)
STEPS = 240
IMITATORS = ("GAIL with PPO", "AIRL with PPO", "VAIL with SAC", "V-MAIL")


def faults(share: float) -> Iterator[Trial]:
    """Put numbers that are not finite everywhere.

    :param share: of the values that are tried; at least NaN
    """
    values = VALUES[: max(1, round(share * len(VALUES)))]
    with Quiet(), np.errstate(all="ignore"):
        for value in values:
            for name in ACTING:
                for place in PLACES:
                    yield _in_environment(name, Fault(place, value))
                for weight in _weights(name):
                    yield _in_policy(name, weight, value)
            yield from _in_demonstrations(value)
        yield _in_huge_actions()


def _in_environment(name: str, fault: Fault) -> Trial:
    subject = f"{name}, {fault.place} gives {fault.value}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            learner = ACTING[name](Path(folder), fault)
            learner.learn(STEPS)
        except Exception as error:  # whatever it is, it is what the trial is about
            return _stopped(name, subject, error, Path(folder))
    if fault.place == "reward" and name in IMITATORS:
        return Trial(PART, subject, True, "not used by imitation, trained to the end")
    return Trial(PART, subject, False, "trained on without a word")


def _weights(name: str) -> list[str]:
    """List the first and the last weight of each network of a learner's policy."""
    with tempfile.TemporaryDirectory() as folder:
        learner = ACTING[name](Path(folder))
    names = [each for each, _ in getattr(learner, "gen_algo", learner).policy.named_parameters()]
    by_network = [list(own) for _, own in groupby(names, lambda each: each.partition(".")[0])]
    return list(dict.fromkeys(own[i] for own in by_network for i in (0, -1)))


def _in_policy(name: str, weight: str, value: float) -> Trial:
    """Put a number into a weight while a rollout is collected."""
    subject = f"{name}, a weight becomes {value}"

    def spoil(model: Any) -> None:
        with th.no_grad():
            model.policy.get_parameter(weight).flatten()[0].fill_(value)

    with tempfile.TemporaryDirectory() as folder:
        try:
            ACTING[name](Path(folder)).learn(STEPS, callback=AtStep(100, spoil))
        except Exception as error:  # whatever it is, it is what the trial is about
            trial = _stopped(name, subject, error, Path(folder))
            if "weight" not in str(error):
                trial = Trial(PART, subject, False, f"names no weight, {in_words(error)}")
        else:
            trial = Trial(PART, subject, False, "trained on without a word")
    return trial if trial.held else trial._replace(outcome=f"`{weight}`: {trial.outcome}")


def _stopped(name: str, subject: str, error: Exception, folder: Path) -> Trial:
    """Judge how a training stopped: with a named error, and a file from which it goes on."""
    if not isinstance(error, (NonFiniteError, ValueError)):
        return Trial(PART, subject, False, in_words(error))
    if "finite" not in str(error):
        return Trial(PART, subject, False, f"blames something else, {in_words(error)}")
    if name not in IMITATORS:
        return Trial(PART, subject, True, "stopped by name")
    files = sorted(folder.rglob("*.zip"))
    if not files:
        return Trial(PART, subject, False, "stopped by name, nothing saved")
    try:
        _go_on(name, files[-1])
    except Exception as after:  # whatever it is, it is what the trial is about
        return Trial(PART, subject, False, f"what was saved fails, {in_words(after)}")
    return Trial(PART, subject, True, "stopped by name, what was saved goes on")


def _go_on(name: str, file: Path) -> None:
    """Load what was saved, and train on."""
    if name in KINDS:
        learner = KINDS[name].load(file, make_venv())
    else:
        learner = VMAIL.load(file, make_venv(), device="cpu")
        learner.set_demonstrations(make_demonstrations())
    learner.learn(2 * ROUND, reset_num_timesteps=False)
    _check_finite(learner.policy)


def _check_finite(module: th.nn.Module) -> None:
    wrong = [name for name, each in module.state_dict().items() if not each.isfinite().all()]
    if wrong:
        raise ValueError(f"{wrong[0]} is not finite")


def _in_demonstrations(value: float) -> Iterator[Trial]:
    sound = make_demonstrations(1)[0]
    for name in ("observations", "actions"):
        parts = {each: np.array(getattr(sound, each)) for each in ("observations", "actions")}
        parts[name][EPISODE_STEPS // 2, 0] = value
        subject = f"demonstrations, {name} hold {value}"
        try:
            Demonstrations.from_arrays([parts["observations"]], [parts["actions"]])
        except ValueError as error:
            yield Trial(PART, subject, "not finite" in str(error), "refused by name")
        else:
            yield Trial(PART, subject, False, "accepted")


def _in_huge_actions() -> Trial:
    """Clone from observations whose squares overflow."""
    subject = "cloning, demonstrations of 1e300"
    sound = make_demonstrations(1)[0]
    huge = np.array(sound.observations, dtype=np.float64)
    huge[3] = 1e300
    try:
        demonstrations = Demonstrations.from_arrays([huge], [np.array(sound.actions)])
        cloning = make_cloning(demonstrations=demonstrations).learn(5)
        _check_finite(cloning.policy)
    except (ValueError, NonFiniteError) as error:
        return Trial(PART, subject, True, f"refused, {type(error).__name__}")
    return Trial(PART, subject, True, "learned, weights finite")
