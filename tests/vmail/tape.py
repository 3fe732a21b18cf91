"""What stands for a CUDA graph on a CPU."""

import torch as th
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from sb3_vdb.run_state import random_state_kept
from sb3_vdb.vmail.engines.cuda_graph import Captured

ASKS_FOR_A_VALUE = th.ops.aten._local_scalar_dense.default


def tensors_in(*trees):
    return [each for each in tree_leaves(trees) if isinstance(each, th.Tensor)]


class Tape(TorchDispatchMode):
    """Notes tensor operations with their arguments, to run them again on the same memory: as in a
    CUDA graph, numbers of Python's are for ever those of the first run, and no tensor's value can
    be asked for.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.made, self.before = [], set(), {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not ASKS_FOR_A_VALUE, "a CUDA graph knows no values"
        args, kwargs = tree_map(lambda each: each, (args, kwargs or {}))  # lists may change later
        for each in tensors_in(args, kwargs):
            if id(each) not in self.made and id(each) not in self.before:
                self.before[id(each)] = (each, each.detach().clone())
        result = func(*args, **kwargs)
        self.made.update(map(id, tensors_in(result)))
        self.calls.append((func, args, kwargs, result))
        return result

    @th.no_grad()
    def restore(self):
        """Take back what the first run did; a graph's capture carries nothing out."""
        for each, before in self.before.values():
            each.copy_(before)

    @th.no_grad()
    def run(self):
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tensors_in(result), tensors_in(again), strict=True):
                if new.data_ptr() != old.data_ptr():  # neither in place nor a view
                    old.copy_(new)


def capture_on_tape(run, device):
    """Stands for :func:`sb3_vdb.vmail.engines.cuda_graph.capture`."""
    tape = Tape()
    with random_state_kept(device):
        run(True)
        with tape:
            result = run(False)
    tape.restore()
    return Captured(tape.run, result)
