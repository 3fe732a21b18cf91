"""Algorithm 2: several source tasks that share a world model, and the transfer to a target task
without a step in its environment.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback

from sb3_vdb.arguments import step_count, whole_number
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.files import check_entries, read_json, write_text
from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.engines import engines_for
from sb3_vdb.vmail.episode_store import PREFIX, EpisodeStore
from sb3_vdb.vmail.sequence_algorithm import SequenceAlgorithm

if TYPE_CHECKING:
    from typing_extensions import Self

Algorithm = TypeVar("Algorithm", bound=SequenceAlgorithm)
REPLAY_SUFFIX, TABLE, MODEL_OPTIMIZER = "-replay", "tasks.json", "model_optimizer"
REMEDY = "use an earlier folder, or begin anew"
# of the constructor, but no setting that a target takes over
NOT_TAKEN_OVER = ("self", "policy", "env", "demonstrations", "_init_setup_model")
OTHER_NAMES = {"stats_window_size": "_stats_window_size"}


class SourceTasks:
    """Source tasks that learn by Algorithm 1 in turn, each with its own environment,
    demonstrations, replay buffer, policy and discriminator, and all with one world model
    (Algorithm 2, line 3).

    :param tasks: by name, at least one, newly made, of one class and with networks of one size;
        the first one's world model becomes that of all
    :raises ValueError: they cannot share a world model, or have learned before
    """

    def __init__(self, tasks: Mapping[str, SequenceAlgorithm]) -> None:
        self.tasks = dict(tasks)
        _check_alike(self.tasks)
        begun = [name for name, task in self.tasks.items() if task._n_updates]
        if begun:
            raise ValueError(
                f"the source tasks {', '.join(begun)} have learned before, each with a world model "
                "of its own; make them anew, or go on with SourceTasks.load"
            )
        first = next(iter(self.tasks.values()))
        # what is known of vectors and pictures is known of all tasks
        demonstrations = [
            _observations(task._ready_buffer().expert, i)
            for task in self.tasks.values()
            for i in range(len(task._ready_buffer().expert.episodes))
        ]
        first.policy.world_model.encoder.fit(demonstrations)
        self._share()

    def _share(self) -> None:
        """Let all tasks update one world model."""
        first, *others = self.tasks.values()
        for other in others:
            other.policy.world_model = first.policy.world_model
            setattr(other.policy, MODEL_OPTIMIZER, getattr(first.policy, MODEL_OPTIMIZER))
            other._make_learner()

    def __getitem__(self, name: str) -> SequenceAlgorithm:
        """Return a task's algorithm, for example to evaluate its policy."""
        return self.tasks[name]

    def learn(
        self,
        total_timesteps: int,
        callbacks: Mapping[str, MaybeCallback] | None = None,
        log_interval: int = 1,
        reset_num_timesteps: bool = True,
        after_round: Callable[[Self], bool | None] | None = None,
    ) -> Self:
        """Learn all tasks, a phase of collecting and training of each in turn.

        :param total_timesteps: decisions in each task's environment, from now on
        :param callbacks: SB3 callbacks, by the name of the task; one that stops ends its own task
        :param log_interval: training phases of a task between two lines of its log
        :param reset_num_timesteps: count from 0, and begin new episodes
        :param after_round: called when each task that goes on has had its turn, for example to
            :meth:`save`; False ends learning
        :raises ValueError: see :meth:`.VMAIL.learn`, or a callback is for no task
        """
        total_timesteps = step_count("total_timesteps", total_timesteps)
        given = dict(callbacks or {})
        if unknown := sorted(map(str, set(given) - set(self.tasks))):
            raise ValueError(
                f"`callbacks` are for {', '.join(unknown)}; the tasks are "
                f"{', '.join(map(str, self.tasks))}"
            )
        for name, task in self.tasks.items():
            task._ready_buffer()
            if task.env is None:
                raise ValueError(f"the task {name!r} has no environment; call set_env(env) of it")
        going = {
            name: task.learning_phases(
                total_timesteps, given.get(name), log_interval, str(name), reset_num_timesteps
            )
            for name, task in self.tasks.items()
        }
        with ExitStack() as ending:
            for phases in going.values():
                ending.callback(phases.close)
            while going:
                for name, phases in list(going.items()):
                    if next(phases, going) is going:
                        del going[name]
                if after_round is not None and after_round(self) is False:
                    break
        return self

    # ------------------------------------------------------------------ the target task

    def transfer(
        self, demonstrations: Demonstrations, gradient_steps: int, **changes: Any
    ) -> SequenceAlgorithm:
        """Learn a target task from its demonstrations alone (Algorithm 2, lines 4 to 8): a new
        policy and discriminator inside the shared world model, which goes on learning from the
        source tasks' episodes and the target's demonstrations. No environment is stepped.

        :param demonstrations: of the target task, with actions
        :param gradient_steps: updates; 0 for none yet, ``learn_offline`` carries out more
        :param changes: arguments of the algorithm in place of the first source task's
        :return: an algorithm without environment; ``set_env`` gives it one
        :raises ValueError: the demonstrations do not fit, or an argument is not known
        """
        return transfer(list(self.tasks.values()), demonstrations, gradient_steps, **changes)

    # ------------------------------------------------------------------ files

    def save(self, folder: str | Path) -> None:
        """Write every task and its replay buffer into a folder, all of them or nothing: what was
        there before stays until the last file is whole.

        :param folder: gets ``<task>_<progress>.zip`` and ``<task>-replay``, a folder of episodes,
            of each task, and ``tasks.json``
        """
        folder, files = Path(folder), {}
        for name, task in self.tasks.items():
            task.save_replay_buffer(folder / f"{name}{REPLAY_SUFFIX}", parts=True)
            files[name] = f"{name}_{task._progress()}.zip"
            task.save(folder / files[name])
        write_text(folder / TABLE, json.dumps({"files": files}))
        for name in files:
            for path in set(folder.glob(f"{name}_*-*.zip")) - {folder / files[name]}:
                path.unlink()

    @classmethod
    def load(
        cls,
        folder: str | Path,
        kind: type[SequenceAlgorithm],
        envs: Mapping[str, GymEnv],
        **kwargs: Any,
    ) -> Self:
        """Read what :meth:`save` wrote; ``learn(..., reset_num_timesteps=False)`` goes on.

        :param folder: of the files
        :param kind: class of the algorithms, for example :class:`.VMAIL`
        :param envs: environments to go on in, by the name of the task, all of them
        :param kwargs: of the algorithm's ``load``
        :raises FileNotFoundError: a file is missing
        :raises DamagedFileError: a file is damaged
        :raises ValueError: ``envs`` are not for all tasks
        """
        folder = Path(folder)
        written = read_json(folder / TABLE, dict, REMEDY)
        check_entries(written, {"files": dict}, str(folder / TABLE), REMEDY)
        files = written["files"]
        if set(files) != set(envs):
            raise ValueError(
                f"{folder} has the tasks {', '.join(files)}, `envs` are for {', '.join(envs)}; "
                "give an environment for each"
            )
        tasks = {
            name: kind.load(folder / path, envs[name], **kwargs) for name, path in files.items()
        }
        for name, task in tasks.items():
            task.load_replay_buffer(folder / f"{name}{REPLAY_SUFFIX}")
        loaded = cls.__new__(cls)
        loaded.tasks = tasks
        _check_alike(tasks)
        collectors = {name: task._collector.get_state() for name, task in tasks.items()}
        loaded._share()
        for name, task in tasks.items():
            task._collector.set_counts(collectors[name])
            task._collector.set_episodes(collectors[name])
        return loaded


def transfer(
    sources: Sequence[Algorithm],
    demonstrations: Demonstrations,
    gradient_steps: int,
    **changes: Any,
) -> Algorithm:
    """Learn a target task from its demonstrations inside the world model of source tasks; see
    :meth:`SourceTasks.transfer`.

    :param sources: have learned, and share the first one's world model
    :param demonstrations: of the target task, with actions
    :param gradient_steps: updates
    :param changes: arguments of the algorithm in place of the first source's
    :raises ValueError: the demonstrations do not fit, or an argument is not known
    """
    whole_number("gradient_steps", gradient_steps, 0)
    first = sources[0]
    stored = [(task._ready_buffer(), store) for task in sources for store in ("expert", "policy")]
    stores: list[EpisodeStore] = [getattr(buffer, store) for buffer, store in stored]
    if first.env is not None:
        demonstrations = demonstrations.as_stacked_in(first.env)
        demonstrations.check_action_repeat(first.env)
    with random_state_kept(first.device):
        target = _without_environment(first, sum(store.n_rows for store in stores), changes)
    episodes = target._stored(demonstrations)
    target.policy.world_model.load_state_dict(first.policy.world_model.state_dict())
    optimizers = [getattr(each.policy, MODEL_OPTIMIZER) for each in (target, first)]
    optimizers[0].load_state_dict(optimizers[1].state_dict())
    for group in optimizers[0].param_groups:
        group["weight_decay"] = vars(target)["weight_decay"]
    target.replay_buffer = target._make_replay_buffer(sum(len(e.actions) + 1 for e in episodes))
    target.replay_buffer.set_expert(episodes)
    for store in stores:
        for i in range(len(store.episodes)):
            rows = {name: part.cpu().numpy() for name, part in store.episode(i).items()}
            target.replay_buffer.policy.add(rows)
    if not any(store.n_long_enough for store in stores[1::2]):
        warnings.warn(
            "the source tasks have no episode of their policies yet; the world model knows their "
            "demonstrations alone",
            stacklevel=3,
        )
    return target.learn_offline(gradient_steps) if gradient_steps else target


def _without_environment(source: Algorithm, n_rows: int, changes: Mapping[str, Any]) -> Algorithm:
    """Make an algorithm like another one, with networks of its own and room for episodes.

    :param source: gives spaces and settings
    :param n_rows: observations that are going to be put into the replay buffer
    :param changes: arguments in place of the source's
    """
    known = _settings_of(type(source))
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(
            f"a target takes no argument {', '.join(unknown)}; it takes {', '.join(known)}"
        )
    settings = {name: getattr(source, OTHER_NAMES.get(name, name)) for name in known}
    settings["buffer_size"] = max(source.buffer_size, n_rows)
    if changes.get("buffer_size", n_rows) < n_rows:
        raise ValueError(
            f"the source tasks' episodes have {n_rows} observations, `buffer_size` is "
            f"{changes['buffer_size']}; leave it out, or make it larger"
        )
    engines_for(changes.get("engine", "eager"), source.device)
    arguments: dict[str, Any] = {**settings, **changes, "_init_setup_model": False}
    target = type(source)(source.policy_class, None, **arguments)
    target.observation_space, target.action_space = source.observation_space, source.action_space
    target.n_envs, target.action_repeat = 1, source.action_repeat
    target._setup_model()
    shapes = [
        {name: part.shape for name, part in each.policy.world_model.state_dict().items()}
        for each in (source, target)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`policy_kwargs` of a target must leave the world model as it is, got "
            f"{changes.get('policy_kwargs')}; the source's are {source.policy_kwargs}"
        )
    return target


def _settings_of(kind: type[SequenceAlgorithm]) -> list[str]:
    """List the arguments of an algorithm that are settings, its bases' as well."""
    names: dict[str, None] = {}
    for each in kind.__mro__:
        if issubclass(each, SequenceAlgorithm) and each is not SequenceAlgorithm:
            named = inspect.signature(each).parameters.values()
            names |= {one.name: None for one in named if one.kind is not one.VAR_KEYWORD}
    return [name for name in names if name not in NOT_TAKEN_OVER]


def _check_alike(tasks: Mapping[str, SequenceAlgorithm]) -> None:
    """Refuse tasks that cannot share a world model.

    :raises ValueError: naming what differs
    """
    if not tasks:
        raise ValueError("`tasks` is empty; give at least one source task")
    environments = [task.env for task in tasks.values() if task.env is not None]
    for things in (list(tasks.values()), environments):
        if len({id(each) for each in things}) < len(things):
            raise ValueError(
                "two source tasks are one algorithm, or have one environment; make each its own"
            )
    (first_name, first), *others = tasks.items()
    for name, task in others:
        for what, of in (
            ("class", type),
            ("observation space", lambda each: each.observation_space),
            ("action space", lambda each: each.action_space),
            ("sizes", lambda each: each.policy.sizes),
            ("action repeat", lambda each: each.action_repeat),
        ):
            if of(task) != of(first):
                raise ValueError(
                    f"source tasks share a world model and need one {what}: {first_name!r} has "
                    f"{of(first)}, {name!r} has {of(task)}"
                )


def _observations(store: EpisodeStore, index: int) -> dict[str, npt.NDArray[np.generic]]:
    """Return the observations of a stored episode, one array a part."""
    return {
        name.removeprefix(PREFIX): rows.cpu().numpy()
        for name, rows in store.episode(index).items()
        if name.startswith(PREFIX)
    }
