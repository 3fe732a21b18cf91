"""What is tried, and how it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

SHOWN = 5  # failures of one kind that a table names


class Trial(NamedTuple):
    """One thing tried.

    :param part: of the page, for example ``"kills"``
    :param subject: what it was done to
    :param held: whether what is promised held
    :param outcome: what happened, in a few words
    """

    part: str
    subject: str
    held: bool
    outcome: str


class Timed(NamedTuple):
    """Trials of one part.

    :param trials: what was tried
    :param seconds: how long it took, wall-clock
    """

    trials: Sequence[Trial]
    seconds: float


def timed(trials: Iterable[Trial]) -> Timed:
    """Carry trials out and measure their time."""
    start = time.monotonic()
    done = list(trials)
    return Timed(done, time.monotonic() - start)


def table_of(parts: Iterable[Timed]) -> pd.DataFrame:
    """Return one row for each subject of each part."""
    rows = []
    for trials, seconds in parts:
        subjects = list(dict.fromkeys((each.part, each.subject) for each in trials))
        for part, subject in subjects:
            own = [each for each in trials if (each.part, each.subject) == (part, subject)]
            outcomes = Counter(each.outcome for each in own if each.held)
            failures = Counter(each.outcome for each in own if not each.held)
            rows.append(
                {
                    "part": part,
                    "subject": subject,
                    "tried": len(own),
                    "held": sum(each.held for each in own),
                    "outcomes": _listed(outcomes),
                    "failures": _listed(failures),
                    "seconds of the part": round(seconds, 1),
                }
            )
    return pd.DataFrame(rows)


def _listed(counts: Counter[str]) -> str:
    shown = [f"{n} {what}" for what, n in counts.most_common(SHOWN)]
    return "; ".join(shown) + ("; ..." if len(counts) > SHOWN else "")


def in_words(error: Exception) -> str:
    """Return the name of an error and the begin of its message, on one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:160]}"
