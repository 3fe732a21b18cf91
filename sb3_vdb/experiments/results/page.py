"""The page of results: a row a claim, with the state that follows from the committed runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from sb3_vdb.evaluation.intervals import bootstrap_interval, interquartile_mean
from sb3_vdb.experiments.results.claims import (
    SMALL_CLAIMS,
    STATES,
    VDB_CLAIMS,
    VMAIL_CLAIMS,
    Answer,
    Claim,
    State,
)
from sb3_vdb.experiments.results.markdown import SPACE, estimate, mean_and_std, number, table

PICTURES = PurePosixPath("images/results")
LINE = "<br>"


def runs_of(answer: Answer, benchmarks: Path) -> pd.DataFrame:
    """Return the runs that answer a claim, one row each.

    :param answer: which
    :param benchmarks: folder of all studies
    :raises ValueError: the file has no such run
    """
    runs = pd.read_csv(benchmarks / answer.file, keep_default_na=False)
    for column, value in answer.rows.items():
        runs = runs[runs[column] == value]
    if runs.empty:
        raise ValueError(f"{benchmarks / answer.file} has no run with {dict(answer.rows)}")
    return runs


def values_of(answer: Answer, benchmarks: Path) -> list[float]:
    """Return the results of the runs that answer a claim."""
    return [float(value) for value in runs_of(answer, benchmarks)[answer.value]]


def state_of(answer: Answer, values: Sequence[float]) -> State:
    """Return what the runs say of a claim.

    Beaten: the interval of several seeds lies beyond the paper's mean. Reproduced: the middle
    (interquartile mean) is not worse than that by more than the paper's standard deviation.
    """
    if answer.rule == "said" or answer.paper is None:
        return answer.said
    mean, std = answer.paper
    middle = float(interquartile_mean(values))
    if answer.rule == "outcome":
        same = (middle >= answer.threshold) == (mean >= answer.threshold)
        return "reproduced" if same else "not reproduced"
    sign = 1.0 if answer.rule == "higher" else -1.0
    interval = bootstrap_interval(values)
    if interval is not None and min(sign * end for end in interval) > sign * mean:
        return "beaten"
    return "reproduced" if sign * (middle - mean) >= -std else "not reproduced"


def states_of(claim: Claim, benchmarks: Path) -> list[State]:
    """Return the state of each answer; of a claim without any, what it says."""
    if not claim.answers:
        return [claim.state]
    return [state_of(each, values_of(each, benchmarks)) for each in claim.answers]


def _labelled(label: str, text: str) -> str:
    return f"{label}{SPACE}{text}" if label else text


def _paper(claim: Claim) -> str:
    values = [
        _labelled(each.label, mean_and_std(*each.paper))
        for each in claim.answers
        if each.paper is not None
    ]
    return LINE.join(values) or claim.paper


def _ours(claim: Claim, benchmarks: Path) -> str:
    values = [
        _labelled(each.label, estimate(values_of(each, benchmarks), each.digits))
        for each in claim.answers
    ]
    return LINE.join(values) or claim.text


def _states(claim: Claim, benchmarks: Path) -> str:
    """Return the states, once where they are one."""
    states = states_of(claim, benchmarks)
    if len(set(states)) == 1:
        return states[0]
    labelled = zip(claim.answers, states, strict=True)
    return LINE.join(_labelled(each.label, state) for each, state in labelled)


def _runs(claim: Claim, benchmarks: Path) -> str:
    """Return seeds of each answer, and the minutes that they took on two cores together."""
    several = [runs_of(each, benchmarks) for each in claim.answers]
    seeds = list(dict.fromkeys(str(len(runs)) for runs in several if "seed" in runs))
    timed = [runs["minutes"].astype(float) for runs in several if "minutes" in runs]
    minutes = number(sum(float(each.sum()) for each in timed) / 2, 0)
    return f"{' / '.join(seeds)} in {minutes} min".replace(" ", SPACE) if timed else ""


def _row(claim: Claim, benchmarks: Path) -> dict[str, Any]:
    method = f"[{claim.method}]({claim.page})" if claim.page else claim.method
    image = f"![{claim.method}]({PICTURES / claim.picture})" if claim.picture else ""
    return {
        "claim": f"{claim.where}: {method}",
        "paper": _paper(claim),
        "ours": _ours(claim, benchmarks),
        "seeds": _runs(claim, benchmarks),
        "state": _states(claim, benchmarks),
        "picture": image,
    }


def claims_table(claims: Sequence[Claim], benchmarks: Path) -> str:
    """Return the Markdown table of claims."""
    return table(pd.DataFrame([_row(claim, benchmarks) for claim in claims]))


def headlines(benchmarks: Path) -> str:
    """Return the short form for the README."""
    claims = [each for each in (*VDB_CLAIMS, *VMAIL_CLAIMS, *SMALL_CLAIMS) if each.headline]
    rows = [
        {
            "claim": claim.headline,
            "paper": _paper(claim),
            "here": _ours(claim, benchmarks),
            "state": _states(claim, benchmarks),
        }
        for claim in claims
    ]
    return table(pd.DataFrame(rows))


def counts(benchmarks: Path) -> str:
    """Return how many rows of the two papers have each state, in words; a row with two mazes has
    two states.
    """
    claims = (*VDB_CLAIMS, *VMAIL_CLAIMS)
    counted = Counter(state for claim in claims for state in states_of(claim, benchmarks))
    return ", ".join(f"**{counted[state]} {state}**" for state in STATES)
