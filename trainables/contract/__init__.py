"""What every optimizer must keep to; checked for a user's own file, and an installed one, before a study starts."""

from collections.abc import Mapping

import torch

from trainables.contract.descent import INTERRUPTIONS, NUM_STEPS, descend
from trainables.spec import OptimizerSpec


def check_optimizer(name: str, spec: OptimizerSpec) -> None:
    """Try an optimizer on networks without images: it must build, move at every step and keep replicates apart.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares.

    Raises:
        ValueError: It breaks the contract; the message says where and how to mend it.
    """
    try:
        descent = descend(spec, spec.published, replicates=(0, 1))
        together = descent.theta
        again = descend(spec, spec.published, replicates=(0, 1)).theta
        alone = torch.cat([descend(spec, spec.published, replicates=(r,)).theta for r in (0, 1)])
        check_point(name, spec, {key: axis.at(0.5) for key, axis in spec.space.items()})
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"Optimizer {name!r} must take a step with its published setting and in the middle of its space, "
            f"but raised {error!r:.300}; mend its file."
        ) from error
    if not together.isfinite().all():
        raise ValueError(
            f"Optimizer {name!r} must keep its parameters finite, but {NUM_STEPS} steps on a quadratic with its "
            "published setting did not; mend it."
        )
    if descent.idle_step is not None:
        raise ValueError(
            f"Optimizer {name!r} must move its parameters at every step, but step {descent.idle_step} of {NUM_STEPS} "
            "left all those of a network as they were, though their gradients were not 0; mend it, or begin a warm-up "
            "above 0."
        )
    if not torch.equal(together, again):
        raise ValueError(
            f"Optimizer {name!r} must draw its noise from `generators`, but the same seeds gave two results; "
            "pass them on wherever it draws."
        )
    if not torch.allclose(together, alone):
        raise ValueError(
            f"Optimizer {name!r} must update each element from its own gradient and noise, but two replicates trained "
            "together differ from the same two trained alone; set mixes_elements=True in its SPEC."
        )


def check_resumable(name: str, spec: OptimizerSpec) -> None:
    """Try whether an optimizer goes on from its stored state, again and again, as if it had never stopped.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares; `check_optimizer` has accepted it.

    Raises:
        ValueError: It does not.
    """
    try:
        whole = descend(spec, spec.published, replicates=(0, 1)).theta
        interrupted = descend(spec, spec.published, replicates=(0, 1), interruptions=INTERRUPTIONS).theta
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"Optimizer {name!r} must take up its own state_dict to go on from a checkpoint, but raised "
            f"{error!r:.300}; mend it or leave out --storage."
        ) from error
    if not torch.equal(whole, interrupted):
        raise forgetful(name)


def forgetful(name: str) -> ValueError:
    """Refusal of an optimizer that goes on from its stored state in another way than without an interruption."""
    return ValueError(
        f"Optimizer {name!r} must keep all that it remembers in its state_dict to go on from a checkpoint, but "
        "went on differently; mend it or leave out --storage."
    )


def check_reductions(name: str, spec: OptimizerSpec, known: Mapping[str, OptimizerSpec]) -> None:
    """Try whether an optimizer is a simpler one, bit for bit, wherever it says so.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares; `check_optimizer` has accepted it.
        known: Each of the simpler optimizers.

    Raises:
        ValueError: A simpler optimizer is not known or has other hyperparameters, the optimizer refuses a neutral
            value, or the two differ.
    """
    for simpler, at in spec.reduces_to.items():
        if simpler not in known:
            raise ValueError(
                f"reduces_to of {name!r} must name optimizers of the package or of other files, got {simpler!r}; "
                "add its file or leave it out."
            )
        shared = [key for key in spec.space if key not in at]
        if set(shared) != set(known[simpler].space):
            raise ValueError(
                f"reduces_to[{simpler!r}] of {name!r} must leave the hyperparameters of {simpler}, "
                f"{', '.join(known[simpler].space)}, but leaves {', '.join(shared)}; mend it."
            )
        for setting in (spec.published, {key: axis.at(0.5) for key, axis in spec.space.items()}):
            rest = {key: setting[key] for key in shared}
            check_point(name, spec, {**rest, **at})
            ours = descend(spec, {**rest, **at}, replicates=(0, 1)).theta
            theirs = descend(known[simpler], rest, replicates=(0, 1)).theta
            if not torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True):
                shown = ", ".join(f"{key}={value:g}" for key, value in at.items())
                raise ValueError(
                    f"Optimizer {name!r} must be {simpler} bit for bit at {shown}, but {NUM_STEPS} steps on a "
                    "quadratic ended elsewhere; mend it or its reduces_to."
                )


def check_point(name: str, spec: OptimizerSpec, hyperparameters: Mapping[str, float]) -> None:
    """Build the optimizer at one point.

    Raises:
        ValueError: It refuses the point.
    """
    try:
        descend(spec, hyperparameters, replicates=(0,))
    except (Exception, SystemExit) as error:
        shown = ", ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
        reason = str(error) if isinstance(error, Exception) else repr(error)
        raise ValueError(f"Optimizer {name!r} does not accept {shown}: {reason}") from error
