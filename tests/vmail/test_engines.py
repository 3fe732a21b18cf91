"""Ways to compute an update: they agree, need nothing of the CPU, and give way to one another."""

import pytest
import torch as th
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sb3_vdb.vmail import engines
from sb3_vdb.vmail.engines import engines_for, make_gradients
from sb3_vdb.vmail.policies import CnnPolicy
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS, Update, UpdateMetrics
from sb3_vdb.vmail.vdac import CnnPolicy as VDACPolicy
from sb3_vdb.vmail.vdac import ReplayUpdate
from tests.vmail.small import (
    ACTION,
    BATCH,
    EXPERT,
    FORM,
    PICTURE,
    SIZES,
    ZERO,
    make_learner,
    make_policy,
)

INPUTS = (BATCH, EXPERT, ZERO)
GPU = th.device("cuda")


@pytest.mark.slow
def test_compiled_scans_give_what_eager_ones_give():
    found = {}
    for engine in ("eager", "compile"):
        th.manual_seed(0)
        policy = make_policy()
        learner = make_learner(policy, engine, reward_type="logit", horizon=2)
        # no noise: compiled code draws other random numbers
        policy.world_model.rssm.latent.sample = policy.world_model.rssm.latent.mode
        policy.actor.raw_init_std = -20.0
        th.manual_seed(1)
        gradients = make_gradients(learner.update, engine, True, INPUTS)
        found[engine] = gradients(*INPUTS)
    # float32 through a loop of 5 steps, summed in another order; actions keep a deviation of 1e-4
    for name in ("model_loss", "belief_kl", "policy_return", "value_loss"):
        one, other = (
            getattr(UpdateMetrics(*metrics), name).item() for _, metrics in found.values()
        )
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4), name
    for network, eager, compiled in zip(
        NETWORKS, found["eager"][0], found["compile"][0], strict=True
    ):
        if network == "discriminator":
            continue  # its penalty's points are drawn at random
        for one, other in zip(eager, compiled, strict=True):
            scale = max(one.abs().max().item(), 1e-4)
            assert th.allclose(one, other, rtol=0.0, atol=1e-2 * scale), network


@pytest.mark.skipif(not th.cuda.is_available(), reason="needs a GPU")
def test_a_captured_update_gives_what_an_eager_one_gives():
    found = {}
    for engine in ("eager", "cuda_graph"):
        th.manual_seed(0)
        learner = make_learner(make_policy().to("cuda"), engine)
        learner.policy.make_optimizers(dict.fromkeys(NETWORKS, 1e-3), 0.0)
        batches = [
            SequenceBatch(
                {name: part.cuda() for name, part in each.observations.items()},
                each.actions.cuda(),
            )
            for each in (BATCH, EXPERT)
        ]
        th.cuda.manual_seed(1)
        found[engine] = th.stack([learner.step(*batches, i) for i in range(5)]).cpu()
    # the same kernels; atomics may add in another order
    assert th.allclose(found["eager"], found["cuda_graph"], rtol=1e-3, atol=1e-4)


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
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, found)):
            assert not isinstance(each, th.Tensor) or each.is_meta, func
        return found


@pytest.mark.parametrize("penalty", ["inputs", "weights"])
@pytest.mark.parametrize("net", ["conv", "patches"])
@pytest.mark.parametrize("latent", ["gaussian", "categorical"])
@pytest.mark.parametrize(
    ("policy_class", "update_class"), [(CnnPolicy, Update), (VDACPolicy, ReplayUpdate)]
)
def test_an_update_exchanges_nothing_with_the_cpu(latent, net, penalty, policy_class, update_class):
    # the meta device stands for a GPU: it holds no values, so that whoever asks for one fails
    with th.device("meta"):
        policy = policy_class(
            PICTURE,
            ACTION,
            lambda _: 1e-3,
            **{**SIZES, "latent": latent, "picture_net": net, "code_dim": 3},
        )
        batches = [
            SequenceBatch(
                {"observation": th.zeros(5, 3, *PICTURE.shape, dtype=th.uint8)}, th.zeros(5, 3, 2)
            )
            for _ in range(2)
        ]
        beta = th.zeros(())
    form = FORM._replace(
        gradient_penalty=penalty,
        kl_balance=0.8,
        n_reconstructed=4,
        n_imagined=5,
        ent_coef=0.1,
        bc_coef=0.1,
        information_limit=0.5,
    )
    update = update_class(policy, form)
    with WithinGraph():
        gradients, _ = update(*batches, beta)
    assert [len(each) for each in gradients] == [
        len(list(network.parameters())) for network in update.networks().values()
    ]


def fails(*inputs):
    raise RuntimeError("no such thing here")


def on_a_gpu(monkeypatch):
    """What is tried on a GPU is tried here."""
    monkeypatch.setattr(engines, "engines_for", lambda name, device: engines_for(name, GPU))


def test_auto_goes_on_with_the_next_engine_and_says_so(monkeypatch):
    on_a_gpu(monkeypatch)
    monkeypatch.setattr(engines, "captured", fails)
    monkeypatch.setattr(th, "compile", lambda function: fails)
    update = Update(make_policy(), FORM)
    with pytest.warns(UserWarning, match="go on without") as warned:
        gradients = make_gradients(update, "auto", True, INPUTS)
    text = [str(each.message) for each in warned]
    assert "'cuda_graph', which failed: no such thing here" in text[0]
    assert "'compile', which failed" in text[1]
    assert bool(th.isfinite(gradients(*INPUTS)[1]).all())


def test_an_engine_that_is_named_does_not_give_way(monkeypatch):
    on_a_gpu(monkeypatch)
    monkeypatch.setattr(engines, "captured", fails)
    with pytest.raises(RuntimeError, match="no such thing here"):
        make_gradients(Update(make_policy(), FORM), "cuda_graph", True, INPUTS)


def test_a_lack_of_memory_is_raised(monkeypatch):
    def full(update, tf32, inputs):
        raise th.cuda.OutOfMemoryError("full")

    on_a_gpu(monkeypatch)
    monkeypatch.setattr(engines, "captured", full)
    with pytest.raises(th.cuda.OutOfMemoryError):
        make_gradients(Update(make_policy(), FORM), "auto", True, INPUTS)


def test_trying_an_engine_uses_up_no_random_numbers(monkeypatch):
    calls = []
    monkeypatch.setattr(th, "compile", lambda function: calls.append(function) or function)
    update = Update(make_policy(), FORM)
    before = th.get_rng_state()
    make_gradients(update, "compile", True, INPUTS)
    assert len(calls) == 2
    assert th.equal(th.get_rng_state(), before)


def test_a_gradient_in_another_order_in_memory_makes_the_same_step():
    found = []
    for order in (th.channels_last, th.contiguous_format):
        th.manual_seed(0)
        learner = make_learner()
        kernel = learner.policy.world_model.encoder.nets["part_observation"].layers[0].weight
        assert kernel.is_contiguous(memory_format=th.channels_last)
        gradients = [
            [th.randn(each.shape) for each in learner.networks[name].parameters()]
            for name in NETWORKS
        ]
        gradients[0] = [
            each.contiguous(memory_format=order) if each.dim() == 4 else each
            for each in gradients[0]
        ]
        learner._apply(gradients)
        found.append(kernel.detach().clone())
    assert th.equal(*found)
