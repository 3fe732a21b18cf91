"""Jobs on local processes and on Ray: failures, killed workers, interruption."""

import io
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from sb3_vdb.experiments.framework.folder import sole_user
from sb3_vdb.experiments.framework.job import Job, JobState, Workers
from sb3_vdb.experiments.framework.jobs import JobsFailedError, make_backend, run_jobs
from sb3_vdb.experiments.framework.local_backend import LocalBackend
from tests.conftest import heed_interrupts

BACKENDS = ["local", pytest.param("ray", marks=pytest.mark.slow)]


def tell_blocked(path, report):
    """Writes down whether Ctrl-C can reach this process at all."""
    import signal

    path.write_text(str(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def start_and_tell(path):
    backend = LocalBackend(1)
    backend.start([Job("job", 1, partial(tell_blocked, path))])
    while not all(state.has_ended for state in backend.poll().values()):
        time.sleep(0.05)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_never_hear_of_ctrl_c_and_their_parent_does(tmp_path):
    """Case 39: nor while they import, when nothing of ours runs yet. In a process of its own, as a
    command is: here, another test may have started the server that workers are forked from.
    """
    script = f"""
from pathlib import Path
from tests.experiments.framework.test_jobs import start_and_tell
if __name__ == "__main__":
    start_and_tell(Path({str(tmp_path / "answer")!r}))
"""
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, tmp_path / "script.py"], env=environment, check=True)
    assert (tmp_path / "answer").read_text() == "True"


def count(path, report, die_at=None, fail=False, steps=5):
    """Counts on from what the file says; a checkpoint after every step."""
    import os
    import signal

    for step in range(int(path.read_text()) if path.exists() else 0, steps):
        report(step, f"step {step}")
        path.write_text(str(step + 1))
        with path.with_suffix(".log").open("a") as log:
            log.write(f"{step} ")
        if step == die_at and not path.with_suffix(".died").exists():
            path.with_suffix(".died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if fail:
        raise ValueError("this one cannot work")


@pytest.fixture
def by_value():
    """Ray ships functions of packages it can import by name; a worker cannot import these tests."""
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


def run(jobs, backend, workers=2):
    console = Console(file=io.StringIO(), width=120)
    try:
        run_jobs(jobs, Workers(workers, backend), console)
    finally:
        run.output = console.file.getvalue()
    return run.output


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_workers_lose_no_more_than_a_step_and_failures_stop_nothing_else(
    tmp_path, backend, request
):
    if backend == "ray":
        request.getfixturevalue("by_value")
    paths = [tmp_path / name for name in ("plain", "killed", "failing", "late")]
    jobs = [
        Job("plain", 5, partial(count, paths[0])),
        Job("killed", 5, partial(count, paths[1], die_at=2)),
        Job("failing", 5, partial(count, paths[2], fail=True)),
        Job("late", 5, partial(count, paths[3])),
    ]
    with pytest.raises(JobsFailedError, match=r"1 of 4 jobs failed .*this one cannot work"):
        run(jobs, backend)
    assert [path.read_text() for path in paths] == ["5"] * 4
    for path in paths:
        assert path.with_suffix(".log").read_text() == "0 1 2 3 4 "
    assert (tmp_path / "killed.died").exists()
    assert "killed: its worker was killed; started again" in run.output
    assert "3 done, 1 failed" in run.output


def counts_until_lost(path, report):
    """Counts to 2 on the first machine and waits there; to 5 on another."""
    import time

    for step in range(int(path.read_text()) if path.exists() else 0, 5):
        report(step, "")
        path.write_text(str(step + 1))
        with path.with_suffix(".log").open("a") as log:
            log.write(f"{step} ")
        while step == 1:
            time.sleep(0.1)


@pytest.mark.slow
def test_a_lost_machine_costs_no_job_more_than_a_step(tmp_path, by_value):
    from ray.cluster_utils import Cluster

    from sb3_vdb.experiments.framework.ray_backend import RayBackend

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    lost, backend = cluster.add_node(num_cpus=1), None
    try:
        cluster.wait_for_nodes()
        backend = RayBackend(1, cluster.address)
        path = tmp_path / "job"
        backend.start([Job("job", 5, partial(counts_until_lost, path))])
        wait_until(lambda: path.exists() and path.read_text() == "2")
        cluster.remove_node(lost, allow_graceful=False)
        assert not backend.poll()["job"].has_ended
        cluster.add_node(num_cpus=1)
        wait_until(lambda: backend.poll()["job"].has_ended)
        assert backend.poll()["job"] == JobState("done", 4, "", restarts=1)
        assert path.with_suffix(".log").read_text() == "0 1 2 3 4 "
        backend.stop()
        backend = None
        # the cluster runs on, and a command joins it by its address
        job = Job("there", 5, partial(count, tmp_path / "n"))
        run_jobs([job], Workers(4, "ray", cluster.address), Console(file=io.StringIO()))
        assert (tmp_path / "n").read_text() == "5"
    finally:
        if backend is not None:
            backend.stop()
        cluster.shutdown()


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def always_dies(report):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_job_that_always_kills_its_worker_is_given_up(monkeypatch):
    monkeypatch.setattr("sb3_vdb.experiments.framework.local_backend.MAX_RESTARTS", 1)
    with pytest.raises(JobsFailedError, match=r"its worker died 2 times on end.*exit code -9"):
        run([Job("bad", 1, always_dies)], "local")


def threads(path, report):
    import torch

    path.write_text(str(torch.get_num_threads()))


def test_workers_have_one_thread(tmp_path):
    run([Job("threads", 1, partial(threads, tmp_path / "n"))], "local")
    assert (tmp_path / "n").read_text() == "1"


def test_no_more_jobs_run_than_there_are_workers():
    backend = LocalBackend(1)
    backend.start([Job(name, 1, always_dies) for name in "abc"])
    try:
        states = backend.poll()
        assert [state.status for state in states.values()] == ["running", "waiting", "waiting"]
        assert states["a"] == JobState("running", note="starting")
    finally:
        backend.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_command(tmp_path, how):
    script = f"""
import time
from functools import partial
from pathlib import Path
from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from tests.experiments.framework.test_jobs import sleeps
if __name__ == "__main__":
    run_jobs([Job("sleeps", 1, partial(sleeps, Path({str(tmp_path / "pid")!r})))], Workers(1))
"""
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    process.send_signal(how)
    _, errors = process.communicate(timeout=20)
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid):
    """Whether there is such a process, other than one that ended and nobody asked for."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def sleeps(path, report):
    path.write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, "dask", None), "`backend` must be one of local, ray, got 'dask'"),
        ((0, "local", None), "`workers` must be at least 1, got 0"),
        ((2, "local", "ray://here:1"), "is a Ray cluster's; it needs backend"),
    ],
)
def test_bad_backends_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_backend(Workers(*arguments))


def test_names_of_jobs_are_unique():
    with pytest.raises(ValueError, match="must be unique, got a more than once"):
        run([Job("a", 1, always_dies)] * 2, "local")


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_named_with_the_remedy():
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match=r"no Ray cluster answers at 'auto'.*ray start --head"):
        make_backend(Workers(1, "ray", "auto"))


def test_ray_that_is_not_installed_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "sb3_vdb.experiments.framework.ray_backend", raising=False)
    with pytest.raises(ImportError, match=r'pip install "sb3-vdb\[ray\]"'):
        make_backend(Workers(1, "ray"))


def test_a_second_command_is_kept_out_of_a_run_folder(tmp_path):
    folder = tmp_path / "runs"
    code = f"""
from pathlib import Path
from sb3_vdb.experiments.framework.folder import sole_user
with sole_user(Path({str(folder)!r})):
    print("in", flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(ValueError, match=r"another command is at work in .*runs; wait for it"):
            sole_user(folder).__enter__()
        other.kill()  # which leaves nothing locked
    with sole_user(folder):
        pass
