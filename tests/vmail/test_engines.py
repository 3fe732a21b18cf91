"""Ways to compute an update: they agree, need nothing of the CPU, and give way to one another."""

import copy
from importlib import import_module

import pytest
import torch as th
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sb3_vdb import NonFiniteError
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.engines import choice, cuda_graph, engines_for, make_engine
from sb3_vdb.vmail.engines.plain import compile_loops
from sb3_vdb.vmail.engines.tf32 import tf32_set
from sb3_vdb.vmail.learner import Learner
from sb3_vdb.vmail.policies import NETWORKS, CnnPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.update import Update, UpdateInputs, UpdateSettings
from sb3_vdb.vmail.vdac import CnnPolicy as VDACPolicy
from sb3_vdb.vmail.vdac_losses import VDACLosses
from sb3_vdb.vmail.vmail_losses import VMAILLosses
from tests.vmail.small import (
    ACTION,
    BATCH,
    EXPERT,
    LOSS_SETTINGS,
    PICTURE,
    SIZES,
    ZERO,
    make_batch,
    make_policy,
    make_update,
)
from tests.vmail.tape import capture_on_tape

INPUTS = UpdateInputs(BATCH, EXPERT, ZERO, ZERO)
STEPS = UpdateSettings(1.0, 0.5, 2, actor_decay=0.75)
ALGORITHMS = [(CnnPolicy, VMAILLosses), (VDACPolicy, VDACLosses)]
GPU = th.device("cuda")


@pytest.mark.slow
def test_compiled_loops_give_what_eager_ones_give():
    gradients, metrics = {}, {}
    for engine in ("eager", "compile"):
        th.manual_seed(0)
        policy = make_policy()
        update = make_update(policy, reward_type="logit", horizon=2)
        if engine == "compile":
            compile_loops(update.losses)
        # no noise: compiled code samples other random numbers
        policy.world_model.rssm.latent.sample = policy.world_model.rssm.latent.mode
        policy.actor.raw_init_std = -20.0
        th.manual_seed(1)
        batches = make_batch(0, length=2), make_batch(1, length=2)
        gradients[engine], metrics[engine] = update.gradients(*batches, ZERO)
    # float32 through loops of 2 steps, summed in another order; actions keep a deviation of 1e-4
    for name in ("model_loss", "belief_kl", "policy_return", "value_loss"):
        one, other = (getattr(each, name).item() for each in metrics.values())
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4), name
    for network, eager, compiled in zip(NETWORKS, *gradients.values(), strict=True):
        if network == "discriminator":
            continue  # its penalty's points are random
        for one, other in zip(eager, compiled, strict=True):
            scale = max(one.abs().max().item(), 1e-4)
            assert th.allclose(one, other, rtol=0.0, atol=1e-2 * scale), network


def test_engines_are_refused_by_name_where_they_cannot_run():
    with pytest.raises(ValueError, match="eager, compile, cuda_graph"):
        engines_for("fast", th.device("cpu"))
    with pytest.raises(ValueError, match='needs `device` "cuda"'):
        engines_for("cuda_graph", th.device("cpu"))


def test_auto_is_plain_pytorch_on_a_cpu_and_a_cuda_graph_first_on_a_gpu():
    assert engines_for("auto", th.device("cpu")) == ("eager",)
    assert engines_for("auto", GPU) == ("cuda_graph", "compile", "eager")
    assert engines_for("cuda_graph", GPU) == ("cuda_graph",)


class WithinGraph(TorchDispatchMode):
    """Refuses what a CUDA graph cannot hold: values that come from the CPU or are asked for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, result)):
            assert not isinstance(each, th.Tensor) or each.is_meta, func
        return result


@pytest.mark.parametrize(
    ("latent", "net", "penalty"),
    [  # each two options meet
        ("gaussian", "conv", "one_centered"),
        ("gaussian", "patches", "one_centered_weights"),
        ("categorical", "conv", "one_centered_weights"),
        ("categorical", "patches", "one_centered"),
    ],
)
@pytest.mark.parametrize(("policy_class", "losses_class"), ALGORITHMS)
def test_an_update_exchanges_nothing_with_the_cpu(
    latent, net, penalty, policy_class, losses_class, monkeypatch
):
    # the meta device stands for a GPU: it holds no values, so that whoever asks for one fails
    optimizers, clipping = map(import_module, ("torch.optim.optimizer", "torch.nn.utils.clip_grad"))
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: ["meta"])
    monkeypatch.setattr(clipping, "_device_has_foreach_support", lambda device: True)
    with th.device("meta"):
        policy = policy_class(
            PICTURE,
            ACTION,
            lambda _: 1e-3,
            **{
                **SIZES,
                "latent": latent,
                "picture_net": net,
                "code_dim": 3,
                "average_actor": True,
            },
        )
        policy.make_optimizers(dict.fromkeys(NETWORKS, 1e-3), 0.01)
        batches = [
            SequenceBatch(
                {"observation": th.zeros(3, 3, *PICTURE.shape, dtype=th.uint8)}, th.zeros(3, 3, 2)
            )
            for _ in range(2)
        ]
        beta = th.zeros(())
    settings = LOSS_SETTINGS._replace(
        gradient_penalty=penalty,
        kl_balance=0.8,
        horizon=2,
        n_reconstructed=4,
        n_imagined=5,
        ent_coef=0.1,
        bc_coef=0.1,
        information_limit=0.5,
    )
    update = Update(losses_class(policy, settings), STEPS)
    with WithinGraph():
        figures = update(UpdateInputs(*batches, beta, beta))
    assert figures.is_meta
    n_moments = [len(optimizer.state) for optimizer in update.optimizers().values()]
    assert n_moments == [len(list(each.parameters())) for each in update.networks.values()]


@pytest.fixture
def tape(monkeypatch):
    """Updates are captured on a CPU as on a GPU."""
    monkeypatch.setattr(cuda_graph, "capture", capture_on_tape)
    monkeypatch.setattr(choice, "engines_for", lambda name, device: (name,))


def learners_by_engine(policy_class=CnnPolicy, losses_class=VMAILLosses, device="cpu"):
    """Two equal learners, of which one has its updates captured and run again."""
    changes = {"information_limit": 0.5, "ent_coef": 0.1, "bc_coef": 0.1, "kl_balance": 0.8}
    settings = LOSS_SETTINGS._replace(horizon=2, **changes)
    learners = []
    for engine in ("eager", "cuda_graph"):
        th.manual_seed(0)
        sizes = {**SIZES, "code_dim": 3, "average_actor": True}
        policy = policy_class(PICTURE, ACTION, lambda _: 1e-3, **sizes).to(device)
        # rates are single numbers in a graph, double ones without; powers of two are both
        policy.make_optimizers(dict.fromkeys(NETWORKS, 2.0**-10), 0.01)
        update = Update(losses_class(policy, settings), STEPS)
        learners.append(Learner(update, DualVariable(0.5, 0.1, beta_step_size=0.05), engine))
    return learners


def steps_of(learner, updates):
    """Figures of some updates on other sequences each."""
    th.manual_seed(1)
    batches = [[on(learner, make_batch(100 * k + i, length=3)) for k in range(2)] for i in updates]
    return [learner.step(*batches[k], i) for k, i in enumerate(updates)]


def on(learner, batch):
    """A batch on the learner's device."""
    device = learner.update.policy.device
    observations = {name: part.to(device) for name, part in batch.observations.items()}
    return SequenceBatch(observations, batch.actions.to(device))


def assert_equal_learners(eager, captured):
    weights = captured.update.policy.state_dict()
    for name, value in eager.update.policy.state_dict().items():
        assert th.equal(value, weights[name]), name
    assert eager.dual.beta == captured.dual.beta


@pytest.mark.parametrize(("policy_class", "losses_class"), ALGORITHMS)
@pytest.mark.usefixtures("tape")
def test_a_whole_update_captured_once_is_right_every_time(policy_class, losses_class):
    learners = learners_by_engine(policy_class, losses_class)
    figures = [steps_of(learner, range(3)) for learner in learners]
    # what the capture must not have kept: beta, the target's turn, the rates
    for learner in learners:
        for optimizer in learner.update.optimizers().values():
            optimizer.param_groups[0]["lr"] = 2.0**-8
    for mine, learner in zip(figures, learners, strict=True):
        mine += steps_of(learner, range(3, 6))
    assert all(map(th.equal, *figures))
    assert_equal_learners(*learners)
    policy = learners[1].update.policy
    slow, fast = (next(net.parameters()) for net in (policy.value_target, policy.value))
    assert not th.equal(slow, fast)


def through_a_file(learner):
    """Updates with a file of the optimisers' loaded in between; the last figures."""
    optimizers = learner.update.optimizers().values()
    steps_of(learner, range(1))
    files = [copy.deepcopy(each.state_dict()) for each in optimizers]
    steps_of(learner, range(1, 3))
    for optimizer, file in zip(optimizers, files, strict=True):
        optimizer.load_state_dict(file)
    figures = steps_of(learner, range(3, 5))
    rates = [each.param_groups[0]["lr"] for each in optimizers]
    assert rates == [2.0**-10] * 4  # numbers still, as SB3 saves them
    steps = {state["step"].item() for each in optimizers for state in each.state.values()}
    assert steps == {3.0}
    return figures


@pytest.mark.usefixtures("tape")
def test_a_captured_update_is_captured_again_after_a_file_is_loaded():
    learners = learners_by_engine()
    assert all(map(th.equal, *map(through_a_file, learners)))
    assert_equal_learners(*learners)


@pytest.mark.skipif(not th.cuda.is_available(), reason="needs a GPU")
def test_a_captured_update_gives_what_an_eager_one_gives():
    learners = learners_by_engine(device="cuda")
    figures = map(through_a_file, learners)
    # the same kernels; atomics may add in another order
    for eager, captured in zip(*figures, strict=True):
        assert th.allclose(eager, captured, rtol=1e-3, atol=1e-4)
    weights = (each.update.policy.state_dict().values() for each in learners)
    for eager, captured in zip(*weights, strict=True):
        assert th.allclose(eager, captured, rtol=1e-3, atol=1e-4)
    assert_left_as_it_is(learners[1])


def assert_left_as_it_is(learner):
    """After an update that is not finite."""
    policy, beta = learner.update.policy, learner.dual.beta
    moments = [each.state_dict()["state"] for each in learner.update.optimizers().values()]
    before = copy.deepcopy([policy.state_dict(), moments])
    bad = on(learner, make_batch(7, length=3))
    bad.actions[1, 0, 0] = th.nan
    with pytest.raises(NonFiniteError, match="model_loss"):
        learner.step(bad, on(learner, make_batch(8, length=3)), 3)
    after = [policy.state_dict(), moments]
    for old, new in zip(tree_leaves(before), tree_leaves(after), strict=True):
        assert th.equal(old, new)
    assert learner.dual.beta == beta
    assert bool(th.stack(steps_of(learner, range(3, 5))).isfinite().all())


@pytest.mark.usefixtures("tape")
@pytest.mark.parametrize("engine", [0, 1])
def test_an_update_that_is_not_finite_leaves_everything_as_it_is(engine):
    learner = learners_by_engine()[engine]
    steps_of(learner, range(2))
    assert_left_as_it_is(learner)


def fails(*inputs):
    raise RuntimeError("no such thing here")


def on_a_gpu(monkeypatch):
    """What is tried on a GPU is tried here."""
    monkeypatch.setattr(choice, "engines_for", lambda name, device: engines_for(name, GPU))


def test_auto_goes_on_with_the_next_engine_and_says_so(monkeypatch):
    on_a_gpu(monkeypatch)
    monkeypatch.setattr(choice, "CapturedUpdate", fails)
    monkeypatch.setattr(th, "compile", lambda function: fails)
    update = make_update()
    with pytest.warns(UserWarning, match="go on without") as warned:
        engine = make_engine(update, "auto", True, INPUTS)
    text = [str(each.message) for each in warned]
    assert "'cuda_graph', which failed: no such thing here" in text[0]
    assert "'compile', which failed" in text[1]
    assert bool(engine(INPUTS).isfinite().all())


def test_an_engine_that_is_named_does_not_give_way(monkeypatch):
    on_a_gpu(monkeypatch)
    monkeypatch.setattr(choice, "CapturedUpdate", fails)
    with pytest.raises(RuntimeError, match="no such thing here"):
        make_engine(make_update(), "cuda_graph", True, INPUTS)


@pytest.mark.parametrize("ended", [False, True])
def test_a_lack_of_memory_is_raised(monkeypatch, ended):
    def full(update, tf32, inputs):
        try:
            raise th.cuda.OutOfMemoryError("full")
        finally:
            if ended:  # as the end of a capture may
                raise RuntimeError("invalidated")

    on_a_gpu(monkeypatch)
    monkeypatch.setattr(choice, "CapturedUpdate", full)
    with pytest.raises(RuntimeError if ended else th.cuda.OutOfMemoryError):
        make_engine(make_update(), "auto", True, INPUTS)


def test_trying_an_engine_changes_no_weight_and_uses_up_no_random_numbers(monkeypatch):
    calls = []
    monkeypatch.setattr(th, "compile", lambda function: calls.append(function) or function)
    update = make_update(make_policy(average_actor=True))
    weights = copy.deepcopy(update.policy.state_dict())
    before = th.get_rng_state()
    make_engine(update, "compile", True, INPUTS)
    assert len(calls) == 2
    assert th.equal(th.get_rng_state(), before)
    assert all(map(th.equal, weights.values(), update.policy.state_dict().values()))
    for optimizer in update.optimizers().values():
        for state in optimizer.state.values():
            assert not any(value.any() for value in state.values())


def test_a_gradient_in_another_order_in_memory_makes_the_same_step():
    kernels = []
    for order in (th.channels_last, th.contiguous_format):
        th.manual_seed(0)
        update = make_update()
        kernel = update.policy.world_model.encoder.nets["part_observation"].layers[0].weight
        assert kernel.is_contiguous(memory_format=th.channels_last)
        gradients = [
            [th.randn(each.shape) for each in update.networks[name].parameters()]
            for name in NETWORKS
        ]
        gradients[0] = [
            each.contiguous(memory_format=order) if each.dim() == 4 else each
            for each in gradients[0]
        ]
        update.take_steps(gradients, ZERO)
        kernels.append(kernel.detach().clone())
    assert th.equal(*kernels)


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("before", ["highest", "high", "medium", "newer switches"])
def test_tf32_is_as_before_after_an_update_by_whichever_switches_it_was_set(before, tf32):
    products, cudnn = th.backends.cuda.matmul, th.backends.cudnn
    first = th.get_float32_matmul_precision(), products.fp32_precision, cudnn.conv.fp32_precision
    newer = before == "newer switches"
    try:
        if newer:
            products.fp32_precision = "ieee" if tf32 else "tf32"
        else:
            th.set_float32_matmul_precision(before)
        set_by_user = products.fp32_precision, cudnn.conv.fp32_precision
        with tf32_set(tf32):
            within = products.fp32_precision, cudnn.conv.fp32_precision
            assert newer or th.get_float32_matmul_precision() == ("high" if tf32 else "highest")
        assert [each == "tf32" for each in within] == [tf32, tf32]
        assert (products.fp32_precision, cudnn.conv.fp32_precision) == set_by_user
        assert newer or th.get_float32_matmul_precision() == before
    finally:
        products.fp32_precision, cudnn.conv.fp32_precision = first[1:]
        th.set_float32_matmul_precision(first[0])
