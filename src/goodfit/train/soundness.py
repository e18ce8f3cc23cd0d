"""Whether XLA adds up rightly on this machine.

jaxlib 0.10.2 has a CPU fusion (YNN) that gives wrong sums: where a product of a broadcast array and a function of
another, of more than 2**15 rows together, is summed over its last axis, later rows get the broadcast array's wrong
rows. That is what a cross-entropy of many lanes is. The engine's programs are compiled without that fusion, and this
checks that it helps; for Keras's own programs in the process `settings.prefer_jax` does what it can.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.errors import ModelError
from goodfit.settings import YNN, has_ynn


def compiler_options() -> dict[str, str]:
    """What every program of the engine is compiled with."""
    return {YNN: ""} if has_ynn() else {}


def worst_error() -> float:
    """The largest error of such a sum; rounding is about 1e-5."""
    rng = np.random.default_rng(0)
    many, once = rng.random((25, 2048, 6), np.float32) + np.float32(0.1), rng.random((2048, 6), np.float32)
    summed = jax.jit(lambda a, b: -(b * jnp.log(a)).sum(-1), compiler_options=compiler_options())(many, once)
    return float(np.abs(np.asarray(summed) + (once * np.log(many)).sum(-1)).max())


@cache
def require_right_sums() -> None:
    """Check once.

    Raises:
        ModelError: Sums come out wrong.
    """
    if worst_error() > 1e-3:
        raise ModelError(
            "the installed jaxlib adds up wrongly on this machine",
            received=f"jax {jax.__version__}",
            fix="Install another jax, such as the newest.",
        )
