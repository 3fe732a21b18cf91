"""Many copies of a MuJoCo model, stepped together on a pool of threads."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.cores import available_cores
from sb3_vdb_envs.dependencies import require

Array = npt.NDArray[np.float64]

CHUNKS = 8  # pieces of work a batch is cut into


class RolloutPool:
    """Steps all copies of a model with ``mujoco.rollout``.

    A control step depends on the state alone (the solver starts cold), so a batch of n gives the
    same numbers, bit for bit, as n single copies, and runs can be resumed exactly.

    :param model: ``mujoco.MjModel``
    :param n: number of copies
    :param substeps: simulation steps of a control step
    :param threads: worker threads; None for one per core, and none for a single copy
    """

    def __init__(self, model: Any, n: int, substeps: int, threads: int | None = None) -> None:
        mujoco, rollout = require("mujoco", "humanoid"), require("mujoco.rollout", "humanoid")
        cores = available_cores() if threads is None else threads
        self.threads = cores if n > 1 and cores > 1 else 0
        self.model, self.substeps = model, substeps
        self._data = [mujoco.MjData(model) for _ in range(max(1, self.threads))]
        self._models = [model] * n
        self._pool: Any = rollout.Rollout(nthread=self.threads)
        self.size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS.value)
        self._control_spec = mujoco.mjtState.mjSTATE_CTRL.value
        self._force_spec = self._control_spec | mujoco.mjtState.mjSTATE_XFRC_APPLIED.value
        self._states = np.empty((n, substeps, self.size))
        self._controls = np.empty((n, substeps, model.nu))
        self._sensors = np.empty((n, substeps, model.nsensordata))

    def step(self, states: Array, controls: Array, forces: Array | None = None) -> None:
        """Advance every copy by one control step, in place.

        :param states: MuJoCo's full physics states (time, positions, velocities, activations),
            shape (n, size); the time becomes 0: nothing depends on it, and resumed runs stay equal
        :param controls: of the actuators, held during the step, shape (n, actuators)
        :param forces: forces (N) and torques (Nm) on the bodies during the step, in world axes,
            shape (n, 6 * bodies); None for none
        :raises gymnasium.error.ClosedEnvironmentError: the threads have been stopped
        """
        if self._pool is None:
            raise gym.error.ClosedEnvironmentError("the environment is closed; make a new one")
        n = len(states)
        self._controls[:] = controls[:, None]
        inputs, spec = self._controls, self._control_spec
        if forces is not None:
            applied = np.broadcast_to(forces[:, None], (n, self.substeps, forces.shape[1]))
            inputs, spec = np.concatenate([inputs, applied], axis=-1), self._force_spec
        self._pool.rollout(
            self._models,
            self._data,
            states,
            inputs,
            control_spec=spec,
            nstep=self.substeps,
            state=self._states,
            sensordata=self._sensors,
            chunk_size=max(1, n // CHUNKS),
            skip_checks=True,
        )
        states[:] = self._states[:, -1]
        states[:, 0] = 0.0

    def close(self) -> None:
        """Stop the threads; closing twice is legal."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
