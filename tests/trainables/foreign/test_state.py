"""What foreign code changes of torch is named, and what torch does by itself is not held against it."""

import functools
import os
import random
import signal
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from trainables.foreign.process import own_process
from trainables.foreign.state import TorchState

ADAM = sys.modules["torch.optim.adam"]


@contextmanager
def called(change, *words, undo):
    change(*words)
    yield
    change(*undo)


@contextmanager
def patched(owner, name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value, raising=False)
        yield


@contextmanager
def handled(number, answer):
    before = signal.signal(number, answer)
    yield
    signal.signal(number, before)


@contextmanager
def variable(name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        yield


def nothing(*_, **__):
    """In the place of a function of torch."""


CHANGES = {
    "the default dtype from torch.float32 to torch.float64": lambda: called(
        torch.set_default_dtype, torch.float64, undo=[torch.float32]
    ),
    "the default device from cpu to meta": lambda: called(torch.set_default_device, "meta", undo=[None]),
    "deterministic algorithms from 0 to 2": lambda: called(torch.use_deterministic_algorithms, True, undo=[False]),
    "the number of threads from 1 to 2": lambda: called(torch.set_num_threads, 2, undo=[1]),
    "whether gradients are recorded from True to False": lambda: called(torch.set_grad_enabled, False, undo=[True]),
    "anomaly detection from False to True": lambda: called(torch.autograd.set_detect_anomaly, True, undo=[False]),
    "the flushing of denormal numbers from False to True": lambda: called(torch.set_flush_denormal, True, undo=[False]),
    "the choice of cuDNN's algorithms from (False, False) to (True, False)": lambda: patched(
        torch.backends.cudnn, "benchmark", True
    ),
    "autocast on cpu from False to True": lambda: called(torch.set_autocast_enabled, "cpu", True, undo=["cpu", False]),
    "$CUBLAS_WORKSPACE_CONFIG from None to :16:8": lambda: variable("CUBLAS_WORKSPACE_CONFIG", ":16:8"),
    "torch.optim.adam.Adam.step": lambda: patched(torch.optim.Adam, "step", torch.no_grad()(nothing)),
    "torch.optim.sgd.SGD.step": lambda: patched(
        torch.optim.SGD, "step", functools.wraps(torch.optim.SGD.step)(nothing)
    ),
    "torch.optim.sgd.SGD.zero_grad": lambda: patched(torch.optim.SGD, "zero_grad", nothing),
    "torch.optim.adam._single_tensor_adam": lambda: patched(
        ADAM._single_tensor_adam, "__code__", (lambda *_, **__: None).__code__
    ),
    "torch.Tensor.mul_": lambda: patched(torch.Tensor, "mul_", nothing),
    "torch.nn.functional.cross_entropy": lambda: patched(torch.nn.functional, "cross_entropy", nothing),
    "trainables.foreign.state.TorchState.refuse_changes": lambda: patched(TorchState, "refuse_changes", nothing),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_and_one_that_is_undone_is_none(name):
    state = TorchState()
    with CHANGES[name]():
        assert name in state.changes()
    assert state.changes() == []


def test_another_answer_to_a_signal_is_a_change():
    with handled(signal.SIGTERM, signal.SIG_DFL):
        state = TorchState()
        with handled(signal.SIGTERM, signal.SIG_IGN):
            assert state.changes() == [f"the answer to SIGTERM from {signal.SIG_DFL} to {signal.SIG_IGN}"]
        assert state.changes() == []


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("the global random generator of torch", lambda: torch.rand(())),
        ("that of numpy", lambda: np.random.rand()),  # noqa: NPY002
        ("that of Python", random.random),
    ],
)
def test_a_draw_is_a_change_where_draws_are_watched(name, draw):
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    state, watchful = TorchState(), TorchState(watches_draws=True)
    draw()
    assert (state.changes(), watchful.changes()) == ([], [name])
    for restore, before in zip((torch.set_rng_state, np.random.set_state, random.setstate), kept, strict=True):
        restore(before)


def test_a_refusal_names_three_changes_and_counts_the_others(monkeypatch):
    state = TorchState()
    for name in ("sin", "cos", "tan", "exp", "log"):
        monkeypatch.setattr(torch, name, nothing)
    message = (
        r"^Optimizer 'mine' must leave torch as it finds it, .*, but its import changes "
        r"torch\.\w+, torch\.\w+, torch\.\w+ and 2 more; leave that out, or undo it at the end\.$"
    )
    with pytest.raises(ValueError, match=message):
        state.refuse_changes("mine", "its import")


def changes_of_sound_code() -> list[str]:
    """In a process in which nothing has been built and compiled yet."""
    state = TorchState(watches_draws=True)
    theta = torch.nn.Parameter(torch.ones(2, 3))
    for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad):
        theta.grad = torch.ones(2, 3)
        optimizer = type("Own", (kind,), {})([theta], lr=0.1)
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        optimizer.step()
        kind([theta], lr=0.1)
    torch.compile(torch.sin, backend="eager")(torch.ones(2))
    torch.func.vmap(torch.sin)(torch.ones(2))
    os.environ["SOMEBODYS_OWN"] = "1"
    sys.path.append("nowhere")
    return state.changes()


def test_what_torch_does_by_itself_is_no_change():
    """It patches its own classes when an optimizer is built for the first time, and again for `torch.compile`."""
    with own_process(functools.partial, changes_of_sound_code) as call:
        assert call() == []
