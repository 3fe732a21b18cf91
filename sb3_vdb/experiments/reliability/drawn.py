"""Arguments and demonstrations that hypothesis draws: each is accepted or refused by its name."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.reliability.subjects import (
    ACTING,
    KINDS,
    Quiet,
    make_cloning,
    make_deepmimic,
    make_venv,
    make_vmail,
)
from sb3_vdb.experiments.reliability.trials import Trial, in_words

PART = "drawn"
# arguments whose values are drawn; what they are drawn from does not fit most of them
TRAINER = (
    "demo_batch_size",
    "n_disc_updates_per_round",
    "gen_train_timesteps",
    "disc_learning_rate",
    "reward_type",
    "reward_scaling",
    "relabel",
    "grad_penalty_coef",
    "grad_penalty_on",
    "grad_penalty_target",
    "input_noise_std",
    "hidden_noise_std",
    "normalize_inputs",
    "seed",
    "trace_updates",
)
VMAIL_ARGUMENTS = (
    "learning_rate",
    "buffer_size",
    "learning_starts",
    "batch_size",
    "sequence_length",
    "train_freq",
    "gradient_steps",
    "pretrain_steps",
    "expert_fraction",
    "burn_in",
    "gamma",
    "horizon",
    "td_lambda",
    "reward_type",
    "exploration_noise",
    "free_nats",
    "tau",
    "actor_decay",
    "max_grad_norm",
    "seed",
)
# those that SB3's PPO has, too, are checked there, without names
DEEPMIMIC = (
    "learning_rate",
    "critic_learning_rate",
    "kl_per_rollout",
    "action_std",
    "value_scale",
    "gamma",
    "vf_coef",
    "seed",
)
CLONING = ("learning_rate", "batch_size", "weight_decay", "seed")


def drawn(n: int) -> Iterator[Trial]:
    """Draw arguments of constructors, and demonstrations.

    :param n: how many altogether
    :raises ImportError: hypothesis is not installed
    """
    makers: dict[str, tuple[tuple[str, ...], Callable[[Path, dict[str, Any]], None]]] = {
        "GAIL": (TRAINER, lambda folder, changes: _train("GAIL with PPO", folder, changes)),
        "VAIL": (TRAINER, lambda folder, changes: _train("VAIL with SAC", folder, changes)),
        "VMAIL": (VMAIL_ARGUMENTS, _make_vmail),
        "DeepMimicPPO": (DEEPMIMIC, _make_deepmimic),
        "BehaviouralCloning": (CLONING, lambda _, changes: _nothing(make_cloning(**changes))),
    }
    with Quiet():
        for name, (arguments, make) in makers.items():
            yield from _constructed(name, arguments, make, max(1, n // (2 * len(makers))))
        yield from _demonstrated(max(1, n // 2))


def _nothing(_: Any) -> None:
    """Return nothing, for a function that returns something."""


def _train(name: str, folder: Path, changes: dict[str, Any]) -> None:
    """Make a trainer; what can be made can be saved and loaded."""
    trainer = ACTING[name](folder, **{"log_dir": None, **changes})
    path = trainer.save(folder / "t.zip")
    KINDS[name].load(path, make_venv())


def _make_vmail(folder: Path, changes: dict[str, Any]) -> None:
    model = make_vmail(folder, **changes)
    model.save(folder / "m.zip")
    model.save_replay_buffer(folder / "r.npz")
    loaded = type(model).load(folder / "m.zip", env=make_venv(), device="cpu")
    loaded.load_replay_buffer(folder / "r.npz")


def _make_deepmimic(folder: Path, changes: dict[str, Any]) -> None:
    make_deepmimic(folder, **changes).save(folder / "m.zip")
    DeepMimicPPO.load(folder / "m.zip", env=make_venv(), device="cpu")


def _constructed(
    name: str,
    arguments: tuple[str, ...],
    make: Callable[[Path, dict[str, Any]], None],
    n: int,
) -> list[Trial]:
    from hypothesis import given, strategies

    values = strategies.one_of(
        strategies.integers(-3, 40),
        strategies.integers(1, 40).map(np.int64),
        strategies.floats(-1.0, 2.0),
        strategies.sampled_from([math.nan, math.inf, -math.inf, 1e-300, 1e300]),
        strategies.floats(0.0, 1.0, width=32).map(np.float32),
        strategies.booleans(),
        strategies.booleans().map(np.bool_),
        strategies.none(),
        strategies.sampled_from(["none", "auto", "std", "gail", "both", "logits", "", "bounds"]),
        strategies.just([]),
    )
    few = strategies.dictionaries(
        strategies.sampled_from(arguments), values, min_size=1, max_size=2
    )
    trials: list[Trial] = []

    def check(changes: dict[str, Any]) -> None:
        trials.append(_judge(name, changes, lambda folder: make(folder, changes)))

    _settings(n)(given(changes=few)(check))()
    return trials


def _judge(name: str, given: Mapping[str, Any], make: Callable[[Path], None]) -> Trial:
    with tempfile.TemporaryDirectory() as folder:
        try:
            make(Path(folder))
        except ValueError as error:
            named = any(f"`{each}`" in str(error) for each in given)
            outcome = "refused by name" if named else f"{dict(given)}: {in_words(error)}"
            return Trial(PART, name, named, outcome)
        except Exception as error:  # whatever it is, it is what the trial is about
            return Trial(PART, name, False, f"{dict(given)}: {in_words(error)}")
    return Trial(PART, name, True, "made, saved and loaded")


def _demonstrated(n: int) -> list[Trial]:
    """Draw demonstrations, most of which are none."""
    from hypothesis import given, strategies
    from hypothesis.extra import numpy as arrays

    kinds = [np.float32, np.float64, np.int64, np.uint8, np.bool_, np.complex64, object]
    shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
    array = strategies.sampled_from(kinds).flatmap(
        lambda kind: arrays.arrays(
            kind, shapes, elements=None if kind is not object else strategies.none()
        )
    )
    anything = strategies.one_of(
        array,
        strategies.lists(array, max_size=3),
        strategies.none(),
        strategies.text(max_size=3),
        strategies.lists(strategies.lists(strategies.floats(), max_size=3), max_size=3),
    )
    trials: list[Trial] = []

    def check(observations: Any, actions: Any, rewards: Any) -> None:
        trials.append(_judge_demonstrations(observations, actions, rewards))

    optional = strategies.none() | anything
    _settings(n)(given(observations=anything, actions=anything, rewards=optional)(check))()
    return trials


def _judge_demonstrations(observations: Any, actions: Any, rewards: Any) -> Trial:
    subject = "Demonstrations.from_arrays"
    try:
        made = Demonstrations.from_arrays(observations, actions, rewards)
        with tempfile.TemporaryDirectory() as folder:
            made.save(Path(folder) / "d.npz")
            Demonstrations.load(Path(folder) / "d.npz")
    except ValueError as error:
        named = "`" in str(error) or "trajectory" in str(error)
        return Trial(PART, subject, named, "refused by name" if named else in_words(error))
    except Exception as error:  # whatever it is, it is what the trial is about
        return Trial(PART, subject, False, in_words(error))
    return Trial(PART, subject, True, "made, saved and loaded")


def _settings(n: int) -> Any:
    """Draw so many examples, always the same ones."""
    from hypothesis import HealthCheck, settings

    return settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
