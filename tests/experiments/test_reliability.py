"""The command that tries what is promised about faults."""

import random
import zipfile

import pandas as pd
import pytest

from sb3_vdb.cli.maintenance import RELIABILITY_PARTS
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.experiments.reliability import damage, faults, kills, study, subjects
from sb3_vdb.experiments.reliability.page import PROMISES
from sb3_vdb.experiments.reliability.trials import Trial, table_of, timed


def test_the_options_name_every_part():
    assert tuple(study.PARTS) == RELIABILITY_PARTS
    assert [name.replace(" ", "-") for name in PROMISES] == list(RELIABILITY_PARTS)


def test_the_page_says_what_was_tried_what_held_and_what_did_not(tmp_path, monkeypatch):
    def some(share):
        yield Trial("kills", "a", True, "whole")
        yield Trial("kills", "a", False, "KeyError: 'x'")
        yield Trial("seeds", "b | c", True, "equal")

    monkeypatch.setattr(study, "PARTS", {"some": some})
    study.reliability(tmp_path / "out", tmp_path / "docs", share=0.1)
    table = pd.read_csv(tmp_path / "docs" / "benchmarks" / "reliability" / "reliability.csv")
    assert table[["subject", "tried", "held"]].values.tolist() == [["a", 2, 1], ["b | c", 1, 1]]
    text = (tmp_path / "docs" / "reliability.md").read_text()
    assert "**2 of 3 trials held**" in text
    assert "- a: 1 KeyError: 'x'" in text
    assert r"| b \| c | 1 | 1 | 1 equal |" in text
    assert "unpickles" in text


def test_parts_that_are_not_tried_now_keep_their_rows(tmp_path, monkeypatch):
    def trial_of(part):
        return lambda share: iter([Trial(part, "a", True, f"at {share}")])

    monkeypatch.setattr(study, "PARTS", {"kills": trial_of("kills"), "seeds": trial_of("seeds")})
    docs = tmp_path / "docs"
    study.reliability(tmp_path / "out", docs, share=0.5)
    study.reliability(tmp_path / "out", docs, share=1.0, parts=("kills",))
    text = (docs / "reliability.md").read_text()
    assert "| a | 1 | 1 | 1 at 1.0 |" in text
    assert "| a | 1 | 1 | 1 at 0.5 |" in text


def sound_file(tmp_path):
    path = subjects.make_demonstrations(1).save(tmp_path / "demonstrations.npz")
    return damage.Kind(path, damage._read_demonstrations)


@pytest.mark.parametrize("way", [*damage.WAYS, *damage.ZIP_WAYS])
def test_every_way_of_damage_is_tried_and_undone(way, tmp_path, monkeypatch):
    monkeypatch.setattr(damage, "BOMB", 100_000)
    kind = sound_file(tmp_path)
    before = kind.path.read_bytes()
    sound = damage.fingerprint(kind.read(kind.path))
    trial = damage._try("demonstrations", kind, way, sound, random.Random(0))
    assert (trial.held, trial.outcome) in ((True, "refused"), (True, "unharmed"))
    assert kind.path.read_bytes() == before


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (DamagedFileError("demonstrations.npz is damaged"), "refused"),
        (DamagedFileError("something is damaged"), "refused without its name"),
        (zipfile.BadZipFile("bad"), "BadZipFile: bad"),
        ([1, 2], "other values"),
        ([1], "unharmed"),
    ],
)
def test_what_reading_says_is_judged(answer, expected, tmp_path):
    def read(path):
        if isinstance(answer, Exception):
            raise answer
        return answer

    kind = damage.Kind(tmp_path / "demonstrations.npz", read)
    outcome, held = damage._outcome(kind, damage.fingerprint([1]))
    assert outcome == expected
    assert held == (expected in ("refused", "unharmed"))


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    demonstrations = subjects.make_demonstrations(1)
    saver = kills.Saver(
        lambda target: kills._nothing(demonstrations.save(target / "d.npz")),
        lambda target: Demonstrations.load(target / "d.npz"),
    )
    trial = kills._kill("demonstrations", saver, tmp_path, 0.02)
    assert trial == Trial("kills", "demonstrations", True, "whole file, nothing left over")


def test_a_training_that_takes_nan_for_a_number_does_not_hold(monkeypatch):
    class Careless:
        def learn(self, *_, **__):
            return self

    monkeypatch.setitem(faults.ACTING, "DeepMimicPPO", lambda *_: Careless())
    trial = faults._in_environment("DeepMimicPPO", subjects.Fault("step", float("nan")))
    assert (trial.held, trial.outcome) == (False, "trained on without a word")


def test_a_training_that_blames_no_weight_does_not_hold(monkeypatch):
    class Vague:
        def learn(self, *_, **__):
            raise ValueError("something is not finite")

    monkeypatch.setitem(faults.ACTING, "DeepMimicPPO", lambda *_: Vague())
    trial = faults._in_policy("DeepMimicPPO", "actor.bias", float("inf"))
    assert not trial.held
    assert trial.outcome.startswith("`actor.bias`: names no weight, ValueError: something")


@pytest.mark.parametrize("name", subjects.ACTING)
def test_a_weight_of_every_network_is_tried(name):
    weights = faults._weights(name)
    first = {
        "V-MAIL": "world_model.encoder.nets.part_observation.0.weight",
        "VAIL with SAC": "actor.latent_pi.0.weight",
    }
    assert weights[0] == first.get(name, "log_std")
    assert len({each.partition(".")[0] for each in weights}) >= 3


def test_nan_in_demonstrations_is_refused_by_name():
    assert all(trial.held for trial in faults._in_demonstrations(float("nan")))


@pytest.mark.parametrize("fault", [None, *(subjects.Fault(p, 1e9) for p in subjects.PLACES)])
def test_the_fault_appears_where_it_is_meant(fault):
    env = subjects.Point(fault)
    found = set()
    env.reset(seed=0)
    for _ in range(3 * subjects.EPISODE_STEPS):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        if reward == 1e9:
            found.add("reward")
        if observation[1] == 1e9:
            found.add("terminal" if terminated else "truncated" if truncated else "step")
        if (terminated or truncated) and env.reset()[0][1] == 1e9:
            found.add("reset")
    assert found == (set() if fault is None else {fault.place})


def test_parts_are_timed_and_counted():
    trials = [Trial("p", "s", True, "fine"), Trial("p", "s", True, "fine")]
    row = table_of([timed(trials)]).iloc[0]
    assert (row["tried"], row["held"], row["outcomes"]) == (2, 2, "2 fine")
