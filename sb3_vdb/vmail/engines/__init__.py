"""Ways to carry out updates: plain PyTorch, ``torch.compile``, a CUDA graph. They compute the same
function, but compiled code samples other random numbers. Losses and updates need none of them.
"""

from sb3_vdb.vmail.engines.choice import ENGINES, EngineName, engines_for, make_engine
from sb3_vdb.vmail.engines.plain import Engine

__all__ = ["ENGINES", "Engine", "EngineName", "engines_for", "make_engine"]
