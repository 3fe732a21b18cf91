"""RL Zoo with our methods: ``python -m sb3_vdb.integrations.rl_zoo --algo vail`` has the options of
``python -m rl_zoo3.train``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gymnasium import spaces
from sb3_contrib import TRPO
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.baselines import SQILDictReplayBuffer, SQILReplayBuffer
from sb3_vdb.integrations.extras import needed
from sb3_vdb.integrations.files import read_demonstrations
from sb3_vdb.methods import METHODS, Method

GENERATORS: Mapping[str, type[BaseAlgorithm]] = {"ppo": PPO, "trpo": TRPO, "sac": SAC, "td3": TD3}
PROGRAMS = ("train", "enjoy")
REWARD = "_reward.pt"  # what the name of a recovered reward ends with


def algorithms() -> dict[str, type[BaseAlgorithm]]:
    """Make a class of SB3's kind for each method and generator, by the name for ``--algo``:
    ``"vail"`` with the method's own generator, ``"vail_sac"`` with another one.
    """
    made: dict[str, type[BaseAlgorithm]] = {}
    for name, method in METHODS.items():
        if method.algorithm is None:
            continue  # cloning has no generator
        made[name] = imitating(name, GENERATORS[method.algorithm.lower()])
        needs_replay = method.kind is SQILReplayBuffer or name == "dac"
        for suffix, generator in GENERATORS.items():
            if issubclass(generator, OffPolicyAlgorithm) or not needs_replay:
                made[f"{name}_{suffix}"] = imitating(name, generator)
    return made


def imitating(name: str, generator: type[BaseAlgorithm]) -> type[BaseAlgorithm]:
    """Make an algorithm that learns from demonstrations and is used like any of SB3's.

    Its constructor takes the arguments of the generator; ``demonstrations``, a file in any format
    of ``sb3-vdb demos``; and ``method_kwargs``, arguments of the method. ``save`` writes the
    recovered reward beside the policy, as ``<path>_reward.pt``. ``load`` gives the policy; when it
    learns on, it does so with a new discriminator.

    :param name: of the method, in :data:`~sb3_vdb.methods.METHODS`
    :param generator: class of SB3
    """
    kind = _Sqil if METHODS[name].kind is SQILReplayBuffer else _Adversarial
    return type(f"{name}_{generator.__name__}", (kind, generator), {"method": METHODS[name]})


class _Adversarial:
    """What is put before a generator.

    :param policy: of the generator
    :param env: to learn in
    :param demonstrations: file of the expert's episodes; None to act with a policy only
    :param method_kwargs: of the trainer, in place of the method's
    :param generator_kwargs: of the generator
    """

    method: Method
    trainer: AdversarialTrainer | None = None
    _is_inside = False

    def __init__(
        self,
        policy: Any,
        env: Any,
        demonstrations: str | None = None,
        method_kwargs: dict[str, Any] | None = None,
        **generator_kwargs: Any,
    ) -> None:
        self.demonstrations, self.method_kwargs = demonstrations, method_kwargs or {}
        super().__init__(policy, env, **generator_kwargs)  # type: ignore[call-arg]

    def learn(self, total_timesteps: int, callback: Any = None, **arguments: Any) -> Any:
        """Train, as SB3's ``learn`` does."""
        this: Any = self
        if self._is_inside:  # called by the trainer
            base: Any = super()
            return base.learn(total_timesteps, callback, **arguments)
        if self.trainer is None:
            given = {"seed": this.seed, "device": this.device, **self.method.arguments}
            given |= self.method_kwargs
            expert = read_demonstrations(_file_of(self.demonstrations))
            self.trainer = self.method.kind(expert, this.get_env(), this, **given)
        for each in callback if isinstance(callback, list) else [callback]:
            if isinstance(each, EvalCallback):  # which wants environments of one kind
                each.eval_env, each.warn = self.trainer.prepare_eval_env(each.eval_env), False
        self._is_inside = True
        try:
            self.trainer.learn(total_timesteps, callback, **arguments)
        finally:
            self._is_inside = False
        return self

    def save(self, path: Any, *arguments: Any, **named: Any) -> None:
        """Write the policy, as SB3's ``save`` does, and the recovered reward beside it."""
        base: Any = super()
        base.save(path, *arguments, **named)
        if self.trainer is not None and isinstance(path, str | Path):
            stem = str(path).removesuffix(".zip")
            kind = self.trainer.frozen_reward_type
            self.trainer.recovered_reward(kind).save(stem + REWARD)

    def _excluded_save_params(self) -> list[str]:
        base: Any = super()
        return [*base._excluded_save_params(), "trainer", "_is_inside"]


class _Sqil:
    """What is put before an off-policy algorithm; see :class:`_Adversarial`."""

    method: Method

    def __init__(
        self,
        policy: Any,
        env: Any,
        demonstrations: str | None = None,
        method_kwargs: dict[str, Any] | None = None,
        _init_setup_model: bool = True,
        **generator_kwargs: Any,
    ) -> None:
        if _init_setup_model:
            expert = read_demonstrations(_file_of(demonstrations))
            given = {**self.method.arguments, **(method_kwargs or {})}
            has_parts = isinstance(env.observation_space, spaces.Dict)
            buffer = SQILDictReplayBuffer if has_parts else SQILReplayBuffer
            generator_kwargs["replay_buffer_class"] = buffer
            generator_kwargs["replay_buffer_kwargs"] = {"demonstrations": expert, **given}
        super().__init__(  # type: ignore[call-arg]
            policy, env, _init_setup_model=_init_setup_model, **generator_kwargs
        )

    def _excluded_save_params(self) -> list[str]:
        base: Any = super()
        return [*base._excluded_save_params(), "replay_buffer_class", "replay_buffer_kwargs"]


def _file_of(demonstrations: str | None) -> str:
    if demonstrations is None:
        raise ValueError(
            "`demonstrations` must name a file; write `demonstrations: demos.npz` into the settings"
        )
    return demonstrations


def register() -> None:
    """Tell RL Zoo the names of :func:`algorithms`.

    :raises ImportError: rl-zoo3 is missing
    """
    needed("rl_zoo3").ALGOS.update(algorithms())


def main() -> None:
    """Run ``rl_zoo3.train`` with these methods; or ``rl_zoo3.enjoy``, if that is the first word."""
    register()
    program = "train"
    if len(sys.argv) > 1 and sys.argv[1] in PROGRAMS:
        program = sys.argv.pop(1)
    getattr(needed(f"rl_zoo3.{program}"), program)()


if __name__ == "__main__":
    main()
