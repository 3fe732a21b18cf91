"""The demonstration job: VAIRL-GP and AIRL side by side on the C-maze, in two processes, with a
report at the end.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import queue
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch as th
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.returns import EvaluationResult
from sb3_vdb.experiments import maze_transfer as transfer
from sb3_vdb.experiments.versions import versions
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.vec_env import make_vec_env

METHODS = ("VAIRL-GP", "AIRL")
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Message:
    """What a worker tells: progress of a phase, its end, or its failure.

    :param worker: name of the worker
    :param phase: what it is doing; ``"done"`` and ``"failed"`` end it
    :param done: steps done
    :param total: steps in all
    :param note: text beside the bar, or the traceback of a failure
    """

    worker: str
    phase: str
    done: int = 0
    total: int = 0
    note: str = ""


Send = Callable[[Message], None]


def run_demo(
    folder: Path,
    seed: int,
    settings: transfer.TransferSettings,
    methods: Sequence[str] = METHODS,
    report: bool = True,
) -> Path:
    """Run the job and write its report.

    Finished phases are kept and not run again, so a job that was stopped goes on with the same
    command.

    :param folder: run folder
    :param seed: random seed of the whole job
    :param settings: sizes and budgets
    :param methods: which methods, one process each
    :param report: write ``report.html``
    :return: path of the report, or the run folder without one
    :raises ValueError: the folder holds a run with another seed or other settings
    :raises RuntimeError: a worker failed
    :raises KeyboardInterrupt: the user stopped the job; what had been finished stays
    """
    from sb3_vdb.experiments.report import write_report

    console = Console()
    start = time.monotonic()
    transfer.claim_folder(folder, settings, seed, versions())
    try:
        _run_workers(folder, seed, settings, methods, console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; {folder} keeps what is finished, the same command goes on")
        if (folder / "expert" / "demonstrations.npz").exists() and report:
            write_report(folder, methods)
        raise
    console.print(result_table(folder, methods))
    if not report:
        return folder
    page = write_report(folder, methods)
    console.print(f"{time.monotonic() - start:.0f} s; pictures and curves: {page.resolve()}")
    return page


def _run_workers(
    folder: Path,
    seed: int,
    settings: transfer.TransferSettings,
    methods: Sequence[str],
    console: Console,
) -> None:
    context = mp.get_context("spawn")
    inbox: Any = context.Queue()
    with _progress(console) as progress:
        _run_expert(folder, seed, settings, progress)
        processes = [
            context.Process(
                target=_worker,
                args=(method, folder, seed, settings, inbox),
                daemon=True,
                name=method,
            )
            for method in methods
        ]
        for process in processes:
            process.start()
        try:
            _follow(processes, inbox, progress)
        finally:
            for process in processes:
                process.terminate()
                process.join()


def _progress(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]:<16}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


class _Bars:
    """One bar for each worker and phase."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[tuple[str, str], TaskID] = {}

    def show(self, message: Message) -> None:
        key = (message.worker, message.phase)
        if key not in self.tasks:
            name = f"{message.worker}: {message.phase}" if message.worker else message.phase
            self.tasks[key] = self.progress.add_task(name, total=message.total, note="")
        self.progress.update(
            self.tasks[key], completed=message.done, total=message.total, note=message.note
        )


def _run_expert(
    folder: Path, seed: int, settings: transfer.TransferSettings, progress: Progress
) -> None:
    if (folder / "expert" / "demonstrations.npz").exists():
        return
    bars = _Bars(progress)
    threads = th.get_num_threads()
    th.set_num_threads(1)
    transfer.train_expert(
        settings, 1000 * seed, folder / "expert", lambda *values: bars.show(Message("", *values))
    )
    th.set_num_threads(threads)


def _follow(processes: Sequence[Any], inbox: Any, progress: Progress) -> None:
    """Show what the workers tell until all have ended."""
    bars, running = _Bars(progress), {process.name for process in processes}
    while running:
        try:
            message: Message = inbox.get(timeout=POLL_SECONDS)
        except queue.Empty:
            for process in processes:
                if process.name in running and not process.is_alive() and process.exitcode != 0:
                    raise RuntimeError(
                        f"the worker {process.name} died with exit code {process.exitcode}"
                    ) from None
            continue
        if message.phase == "failed":
            raise RuntimeError(f"the worker {message.worker} failed:\n{message.note}")
        if message.phase == "done":
            running.discard(message.worker)
        else:
            bars.show(message)


def _worker(
    method: str, folder: Path, seed: int, settings: transfer.TransferSettings, inbox: Any
) -> None:
    """Body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    th.set_num_threads(1)
    try:
        run_method(method, folder, seed, settings, partial(_send, inbox, method))
        inbox.put(Message(method, "done"))
    except Exception:
        inbox.put(Message(method, "failed", note=traceback.format_exc()))


def _send(inbox: Any, worker: str, phase: str, done: int, total: int, note: str) -> None:
    inbox.put(Message(worker, phase, done, total, note))


def run_method(
    method: str,
    folder: Path,
    seed: int,
    settings: transfer.TransferSettings,
    report: transfer.Progress,
) -> None:
    """Inverse RL and retraining of one method, into ``folder/<method>``, unless its ``result.json``
    is there already.
    """
    target = folder / method
    if (target / "result.json").exists():
        return
    demonstrations = Demonstrations.load(folder / "expert" / "demonstrations.npz")
    trainer, reward = transfer.learn_reward(
        method, settings, demonstrations, 1000 * seed + 100, target / "irl", report
    )
    imitation = _evaluate_imitation(trainer, settings, seed)
    imitation.episodes.save(target / "imitation.npz")
    found = transfer.retrain(settings, reward, 1000 * seed + 200, target / "retraining", report)
    found.result.episodes.save(target / "transfer.npz")
    transfer.write_result(target, method, seed, imitation, found)


def _evaluate_imitation(
    trainer: Any, settings: transfer.TransferSettings, seed: int
) -> EvaluationResult:
    n = transfer.N_EVAL_EPISODES
    venv = make_vec_env(settings.train_env, n, seed=1000 * seed + 900)
    result: EvaluationResult = trainer.evaluate(venv, n, deterministic=False)
    return result


def result_rows(folder: Path, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table: the expert, every finished method, and random actions.

    Expert and random actions have learned returns by the reward of the first finished method.
    """
    config = json.loads((folder / "config.json").read_text())
    finished = [method for method in methods if (folder / method / "result.json").exists()]
    judge = None
    if finished:
        judge = RecoveredReward.load(folder / finished[0] / "irl" / "reward.pt")
    expert = json.loads((folder / "expert" / "result.json").read_text())
    demonstrations = Demonstrations.load(folder / "expert" / "demonstrations.npz")
    random = transfer.evaluate_random(config["test_env"], 1000 * config["seed"] + 950, judge)
    judged = {"judge": finished[0]} if finished else {}
    learned = judge and float(judge(demonstrations.transitions()).sum() / len(demonstrations))
    expert_row = {"mean": expert["return"], "std": expert["return_std"], "learned_return": learned}
    random_row = {"mean": random.mean, "std": random.std, "learned_return": random.learned_mean}
    return [
        {"name": "expert (training maze)", "success_rate": expert["success_rate"]}
        | expert_row
        | judged,
        *(_method_row(folder / method) for method in finished),
        {"name": "random actions", "success_rate": random.success_rate} | random_row | judged,
    ]


def _method_row(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    return {
        "name": folder.name,
        "mean": result["transfer_return"],
        "std": result["transfer_return_std"],
        "success_rate": result["success_rate"],
        "learned_return": result["learned_return"],
        "stuck": result["stuck"],
        "retrainings": len(result["retrainings"]),
    }


def row_in_words(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table as it is shown."""
    success, learned = row.get("success_rate"), row.get("learned_return")
    return {
        "policy": row["name"],
        "true return": f"{row['mean']:.2f} ± {row['std']:.2f}",
        "success": "" if success is None else f"{success:.0%}",
        "learned return": "" if learned is None else f"{learned:.1f}",
        "remark": remark(row),
    }


def result_table(folder: Path, methods: Sequence[str]) -> Table:
    """The table as it is printed."""
    table = Table(title="New policies in the flipped maze, trained on the recovered reward alone")
    for name in ("policy", "true return", "success", "learned return", "remark"):
        table.add_column(name, justify="left" if name in ("policy", "remark") else "right")
    for row in result_rows(folder, methods):
        table.add_row(*row_in_words(row).values())
    return table


def remark(row: dict[str, Any]) -> str:
    """What has to be said about a row, in words."""
    parts = []
    if row.get("judge"):
        parts.append(f"learned return by the reward of {row['judge']}")
    if row.get("retrainings", 1) > 1:
        parts.append(f"best of {row['retrainings']} retrainings by learned return")
    if row.get("stuck"):
        parts.append("stuck: far below the best learned reward on the map")
    return "; ".join(parts)
