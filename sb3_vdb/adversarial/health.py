"""Whether a discriminator is healthy, by the curves of its log, and what to do where it is not."""

from __future__ import annotations

import copy
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb.adversarial.discriminator_learner import DiscriminatorLearner
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.arguments import one_of, positive_int

WINDOW = 20  # rounds that are looked at
PERFECT = 0.97  # accuracy on either side: a reward with a cliff
AT_CHANCE, EMPTY = 0.55, 0.1  # accuracy; share of the limit that the code carries
SLACK, EXCESS = 0.5, 1.5  # times the limit
Action = Literal["warn", "stop", "roll_back"]
ACTIONS: tuple[Action, ...] = ("warn", "stop", "roll_back")


class Illness(NamedTuple):
    """What is wrong with a discriminator.

    :param name: ``"too strong"``, ``"collapsed"``, ``"slack"`` or ``"limit not met"``
    :param shown: what the log shows
    :param remedy: what to do
    """

    name: str
    shown: str
    remedy: str

    def __str__(self) -> str:
        return f"the discriminator is {self.name}: {self.shown}; {self.remedy}"


def diagnose(rounds: Sequence[Mapping[str, float]]) -> Illness | None:
    """Say what is wrong with a discriminator, by the means over rounds; None where nothing is.

    :param rounds: the log's figures of each, by the names that it has behind ``discriminator/``:
        ``accuracy_expert``, ``accuracy_generator``, and with a bottleneck ``kl``, ``beta`` and
        ``information_limit``
    """
    if not rounds:
        return None
    expert, generator = (_mean(rounds, f"accuracy_{side}") for side in ("expert", "generator"))
    limit = rounds[-1].get("information_limit")
    if limit is not None:
        kl, betas = _mean(rounds, "kl"), [each["beta"] for each in rounds]
        if kl < EMPTY * limit and max(expert, generator) < AT_CHANCE:
            return Illness(
                "collapsed",
                f"its code carries {kl:.2g} of {limit:g} nats and it tells nothing apart",
                "raise `information_limit`, or start with a smaller `beta`",
            )
        if kl < SLACK * limit and max(betas) == 0.0:
            return Illness(
                "slack",
                f"its code carries {kl:.2g} of {limit:g} nats with beta at 0",
                f"lower `information_limit` below {kl:.2g}",
            )
        if min(each["kl"] for each in rounds) > limit and kl > EXCESS * limit:
            return Illness(
                "limit not met",
                f"its code carries {kl:.2g} nats, and the limit is {limit:g}",
                "raise `beta_step_size` (10 or 100 times), or start with a larger `beta`",
            )
    if min(expert, generator) > PERFECT:
        return Illness(
            "too strong",
            f"it tells {expert:.0%} of the expert's and {generator:.0%} of the agent's samples",
            "take a bottleneck (VAIL, VAIRL) or lower `information_limit`, raise "
            "`grad_penalty_coef`, or take fewer `n_disc_updates_per_round`",
        )
    return None


def _mean(rounds: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(each[name] for each in rounds) / len(rounds)


class HealthCallback(BaseCallback):
    """Watches the discriminator of GAIL, VAIL, AIRL, VAIRL or DAC: ``trainer.learn(steps,
    HealthCallback(trainer, action="stop"))``.

    ``"warn"`` says once a kind what is wrong. ``"stop"`` also ends the training; ``illness`` then
    says why. ``"roll_back"`` gives the discriminator, its optimiser and beta the values back that
    they had when it was last healthy, at most ``max_roll_backs`` times, and stops then. Only a
    collapsed discriminator, and one whose limit is not met, stop or roll back a run: one that is
    too strong or slack may still teach.

    :param trainer: whose discriminator
    :param action: what to do
    :param window: rounds that are looked at, positive
    :param max_roll_backs: not counting those of earlier calls of ``learn``
    :raises ValueError: an argument is out of range
    """

    SERIOUS = ("collapsed", "limit not met")

    def __init__(
        self,
        trainer: AdversarialTrainer,
        action: Action = "warn",
        window: int = WINDOW,
        max_roll_backs: int = 3,
    ) -> None:
        super().__init__()
        self.trainer, self.action = trainer, one_of("action", action, ACTIONS)
        self.window = positive_int("window", window)
        self.max_roll_backs = positive_int("max_roll_backs", max_roll_backs)
        self.illness: Illness | None = None  # the latest
        self.n_roll_backs = 0
        self._rounds: deque[dict[str, float]] = deque(maxlen=self.window)
        self._seen = trainer.n_rounds
        self._said: set[str] = set()
        self._healthy: dict[str, Any] | None = None
        self._stop = False

    def _on_rollout_end(self) -> None:
        if self.trainer.n_rounds == self._seen:
            return
        self._seen = self.trainer.n_rounds
        prefix = "discriminator/"
        values = self.logger.name_to_value
        named = {key.removeprefix(prefix): value for key, value in values.items()}
        if "accuracy_expert" not in named:
            return
        self._rounds.append(named)
        if len(self._rounds) < self.window:
            return
        self.illness = diagnose(self._rounds)
        if self.illness is None:
            self._keep()
        elif self.illness.name in self.SERIOUS and self.action != "warn":
            self._act(self.illness)
        elif self.illness.name not in self._said:
            self._said.add(self.illness.name)
            warnings.warn(str(self.illness), stacklevel=2)

    def _on_step(self) -> bool:
        return not self._stop

    def _act(self, illness: Illness) -> None:
        """Roll back, or stop where that is asked for or no longer helps."""
        back = self.action == "roll_back" and self._healthy is not None
        if back and self.n_roll_backs < self.max_roll_backs:
            self.n_roll_backs += 1
            self._restore()
            self._rounds.clear()
            warnings.warn(f"{illness}; it is rolled back to when it was healthy", stacklevel=3)
            return
        self._stop = True
        warnings.warn(f"{illness}; the training stops", stacklevel=3)

    def _keep(self) -> None:
        learner: DiscriminatorLearner = self.trainer.rounds.learner
        self._healthy = copy.deepcopy(
            {
                "discriminator": self.trainer.discriminator.state_dict(),
                "optimizer": learner.optimizer.state_dict(),
                "beta": None if learner.dual is None else learner.dual.beta,
            }
        )

    def _restore(self) -> None:
        learner: DiscriminatorLearner = self.trainer.rounds.learner
        healthy = copy.deepcopy(self._healthy)
        assert healthy is not None
        self.trainer.discriminator.load_state_dict(healthy["discriminator"])
        learner.optimizer.load_state_dict(healthy["optimizer"])
        if learner.dual is not None:
            learner.dual.beta = healthy["beta"]
