"""Optimizer files of users, as text: sound ones, and SGD with a fault that a test chooses."""

import pathlib
import textwrap

SGD = """
import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(parameters, *, generators, learning_rate):
    return torch.optim.SGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g",
    space={"learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log")},
    published={"learning_rate": 0.01},
    reference="a test",
)
"""

SHRINKING_SGD = """
import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(parameters, *, generators, learning_rate, shrinkage):
    return torch.optim.SGD(parameters, lr=learning_rate, weight_decay=shrinkage)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η (g + λ θ)",
    space={
        "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
        "shrinkage": Hyperparameter(low=1e-5, high=1.0, scale="log"),
    },
    published={"learning_rate": 0.01, "shrinkage": 1e-3},
    reference="a test",
    reduces_to={"sgd": {"shrinkage": 0.0}},
)
"""
"""It says, and truly, when it is SGD."""

SGD_THAT_MIXES_ELEMENTS = SGD.replace(
    "    return torch",
    "    parameters[0].data /= parameters[0].norm()  # of all replicates\n    return torch",
)
"""It does not say so."""

CLIPPED_SGD = '''
"""SGD with the gradient clipped to norm 0.1, network by network, through a class of its own."""

import dataclasses

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


@dataclasses.dataclass
class Clipping:
    largest: float

    def __call__(self, parameters):
        torch.nn.utils.clip_grad_norm_(parameters, self.largest)


class ClippedSGD(torch.optim.SGD):
    clipping = Clipping(0.1)

    def step(self, closure=None):
        for group in self.param_groups:
            self.clipping(group["params"])
        return super().step(closure)


def build(parameters, *, generators, learning_rate):
    return ClippedSGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g / max(1, 10 ‖g‖)",
    space={"learning_rate": Hyperparameter(low=1e-3, high=1.0, scale="log")},
    published={"learning_rate": 0.1},
    reference="a test",
    mixes_elements=True,
)
'''
"""It mixes elements and says so: the update of one depends on all others of its network."""

LION = '''
"""Lion: steps of one size along the sign of an interpolated momentum."""

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


class Lion(torch.optim.Optimizer):
    def __init__(self, parameters, *, learning_rate, beta1, beta2):
        super().__init__(parameters, {"lr": learning_rate, "betas": (beta1, beta2)})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                parameter.sub_(momentum.lerp(parameter.grad, 1 - beta1).sign(), alpha=group["lr"])
                momentum.lerp_(parameter.grad, 1 - beta2)


def build(parameters, *, generators, learning_rate, beta1, beta2):
    del generators
    return Lion(parameters, learning_rate=learning_rate, beta1=beta1, beta2=beta2)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η sign(β₁ m + (1−β₁) g);  m ← β₂ m + (1−β₂) g",
    space={
        "learning_rate": Hyperparameter(low=1e-6, high=1e-2, scale="log"),
        "beta1": Hyperparameter(low=0.5, high=0.99, scale="log_complement"),
        "beta2": Hyperparameter(low=0.5, high=0.999, scale="log_complement"),
    },
    published={"learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.99},
    reference="Chen et al. (2023), https://arxiv.org/abs/2302.06675",
)
'''
"""It has state and three hyperparameters, and torch has no such class."""

FORGETFUL_LION = LION.replace(
    "        for group", "        self.count = getattr(self, 'count', 0) + 1\n        for group", 1
).replace('alpha=group["lr"])', 'alpha=group["lr"] / self.count)')
"""It counts its steps in an attribute, which no checkpoint holds."""

_OWN_SGD = """
import itertools
import math

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


class OwnSGD(torch.optim.SGD):
    num_steps = 0

    def step(self, closure=None):
        self.num_steps += 1
        parameters = self.param_groups[0]["params"]
        learning_rate = self.param_groups[0]["lr"]
{step}


def build(parameters, *, generators, learning_rate):
    return OwnSGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g",
    space={{"learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log")}},
    published={{"learning_rate": 0.01}},
    reference="a test",
)
"""


def own_sgd(step: str) -> str:
    """SGD whose step is given: statements on `parameters`, `learning_rate`, and `super().step()`, torch's own."""
    return _OWN_SGD.format(step=textwrap.indent(textwrap.dedent(step).strip(), " " * 8))


SOUND_STEPS = {
    "clears": "super().step()\nself.zero_grad()",
    "overwrites": "super().step()\nfor p in parameters: p.grad.fill_(float('nan'))",
    "exchanges gradients": "super().step()\nfor p in parameters: p.grad = torch.zeros_like(p)",
    "exchanges data": "for p in parameters: p.data = p.data.add(p.grad, alpha=-learning_rate)",
    "exchanges data once": (
        "super().step()\nif self.num_steps == 1:\n    for p in parameters: p.data = p.data.clone()"
    ),
    "exchanges storage": "super().step()\nfor p in parameters: p.data.set_(p.data.clone())",
    "adds a group": (
        "super().step()\n"
        "if self.num_steps == 1:\n"
        "    self.add_param_group({'params': [torch.nn.Parameter(torch.ones(2))]})"
    ),
}
"""Steps of `own_sgd` that do with gradients and parameters what torch allows: they train like `sgd`, bit for bit."""

IDLE_STEPS = {
    "in its first step": ("if self.num_steps > 1: super().step()", 1),
    "after a while": ("if self.num_steps < 20: super().step()", 20),
    "every other step": ("if self.num_steps % 2: super().step()", 2),
    "on other parameters": (
        "super().step()\nself.param_groups[0]['params'] = [torch.nn.Parameter(p.detach().clone()) for p in parameters]",
        2,
    ),
}
"""Steps of `own_sgd` that leave the networks alone, and the first step in which they do."""

SCALED = """
group = self.param_groups[0]
group["lr"] = {factor} * learning_rate
super().step()
group["lr"] = learning_rate
"""

FORGETFUL_STEPS = {
    "a schedule": SCALED.format(factor="math.cos(self.num_steps / 640)"),
    "a refresh every ten steps": SCALED.format(factor="(1 if self.num_steps % 10 else 0.5)"),
    "a warm-up of twenty steps": SCALED.format(factor="min(1, self.num_steps / 20)"),
    "a change after twenty steps": SCALED.format(factor="(1 if self.num_steps <= 20 else 0.5)"),
    "a copy of the parameters": (
        "self.slow = getattr(self, 'slow', [p.detach().clone() for p in parameters])\n"
        "super().step()\n"
        "if self.num_steps % 5 == 0:\n"
        "    for p, slow in zip(parameters, self.slow): p.data.copy_(slow.lerp_(p.data, 0.5))"
    ),
}
"""Steps of `own_sgd` that rest on what no checkpoint holds."""

HASHING_SGD = own_sgd(SCALED.format(factor="(0.5 + hash('mine') % 2**20 / 2**21)"))
"""Another one in every process: Python salts the hashes of text."""

CHANGING_IMPORTS = {
    "torch.optim.Adam.step = torch.no_grad()(lambda self, closure=None: None)": r"torch\.optim\.adam\.Adam\.step",
    "torch.set_default_dtype(torch.float64)": r"the default dtype from torch\.float32 to torch\.float64.*",
    "torch.set_num_threads(torch.get_num_threads() + 1)": r"the number of threads from \d+ to \d+",
}
"""Lines of a file that change all that is computed in its process, and how the change is named."""

SUBVERSIVE_SGD = (
    SGD
    + """

from torch.optim.optimizer import register_optimizer_step_post_hook


def undo(optimizer, *_):
    if isinstance(optimizer, torch.optim.Adam):
        for p in optimizer.param_groups[0]["params"]:
            p.data.zero_()


register_optimizer_step_post_hook(undo)
"""
)
"""It spoils every Adam of its process by a hook, which is no function of torch and so is not seen."""

_FAULTY_SGD = '''
"""SGD with a fault, which never comes where a file is tried out: there parameters begin with a 1 or more."""

import dataclasses
import os
import pathlib
import resource
import signal
import socket
import time

import torch

from trainables.spec import Hyperparameter, OptimizerSpec

FOLDER = pathlib.Path({folder!r})
PUBLISHED = 0.1


class FaultySGD(torch.optim.SGD):
    num_steps = 0

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)
        self.is_tried_out = any(bool((p.detach().abs() >= 1).any()) for p in self.param_groups[0]["params"])

    def step(self, closure=None):
        self.num_steps += 1
        if self.num_steps > 3 and not self.is_tried_out:
            self.fault(self.num_steps, self.param_groups[0]["lr"])
        return super().step(closure)

    def fault(self, number, learning_rate):
{fault}


def build(parameters, *, generators, learning_rate):
    return FaultySGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g",
    space={{"learning_rate": Hyperparameter(low=1e-3, high=1.0, scale="log")}},
    published={{"learning_rate": PUBLISHED}},
    reference="a test",
)
'''


def faulty_sgd(fault: str, folder: pathlib.Path = pathlib.Path()) -> str:
    """SGD that runs a fault before its fourth step and every later one.

    Args:
        fault: Statements on `number`, that of the step, and `learning_rate`.
        folder: `FOLDER` there: where it leaves traces and looks for files.
    """
    return _FAULTY_SGD.format(folder=str(folder), fault=textwrap.indent(fault.strip(), " " * 8))


FAILING = """
if number > 5:
    raise RuntimeError("enough")
"""

FAILING_WITH_MARKUP = """
if number == 7:
    raise RuntimeError("the fan stands still <script>alert(1)</script>")
"""

FAILING_UNLESS_PUBLISHED = FAILING_WITH_MARKUP.replace("number == 7", "number == 7 and learning_rate != PUBLISHED")

FAILING_TWICE = """
if number == 5:
    tries = len(list(FOLDER.glob(f"{learning_rate}-*")))
    (FOLDER / f"{learning_rate}-{tries}").touch()
    if tries < 2:
        raise RuntimeError(f"failure {tries}")
"""

DIVERGING = """
self.param_groups[0]["params"][0].data.fill_(float("inf"))
"""

HELD = """
if number == 5:
    (FOLDER / f"held-{os.getpid()}").touch()
    until = time.monotonic() + 200
    while not (FOLDER / "open").exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody has opened")
        time.sleep(0.01)
"""

HELD_UNLESS_PUBLISHED = HELD.replace("number == 5", "number == 5 and learning_rate != PUBLISHED")

HELD_AFTER_ONE_TRIAL_PER_HOST = """
if number == 5:
    num_before = len(list(FOLDER.glob(f"{socket.gethostname()}-*")))
    (FOLDER / f"{socket.gethostname()}-{num_before}").touch()
    until = time.monotonic() + 400
    while num_before and not (FOLDER / "open").exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody has opened")
        time.sleep(0.01)
"""

SLOW = """
if not (FOLDER / "open").exists():
    time.sleep(0.3)
"""

HUNGRY = """
if number == 5 and learning_rate != PUBLISHED:
    (FOLDER / f"hungry-{os.getpid()}").touch()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    little = pages * os.sysconf("SC_PAGE_SIZE") + 2**26
    resource.setrlimit(resource.RLIMIT_AS, (little, resource.getrlimit(resource.RLIMIT_AS)[1]))
    torch.empty(2**40)
"""

ABORTING = """
if number == 5 and learning_rate != PUBLISHED:
    (FOLDER / f"aborting-{os.getpid()}").touch()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()
"""

KILLED_ONCE = """
if number == 12 and not (FOLDER / "killed").exists():
    (FOLDER / "killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""

WITNESS = """
(FOLDER / f"witness-{os.getpid()}-{learning_rate}").write_text(str(resource.getrlimit(resource.RLIMIT_AS)[0]))
"""

DYING_AT_A_CHANGE = """
import ray

def build(parameters, *, generators, learning_rate, plain=build):
    if ray.is_initialized() and learning_rate != PUBLISHED:
        tries = len(list(FOLDER.glob(f"{learning_rate}-*")))
        (FOLDER / f"{learning_rate}-{tries}").touch()
        if tries == 0:
            os._exit(1)
    return plain(parameters, generators=generators, learning_rate=learning_rate)


SPEC = dataclasses.replace(SPEC, build=build)
"""
"""What follows `faulty_sgd("pass", folder)`: a worker dies once while it takes a trial over."""

WITNESS_OF_WORKERS = """
def build(parameters, *, generators, learning_rate, plain=build):
    name = __name__.removeprefix("user_optimizer_")
    (FOLDER / f"{name}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return plain(parameters, generators=generators, learning_rate=learning_rate)


SPEC = dataclasses.replace(SPEC, build=build)
"""
"""What follows `faulty_sgd("pass", folder)`: every trial leaves the optimizer's name and its process."""

WITNESS_OF_RESOURCES = """
import json

import ray


def given():
    return ray.get_runtime_context().get_assigned_resources()


def build(parameters, *, generators, learning_rate, plain=build):
    if ray.is_initialized():
        (FOLDER / f"{learning_rate!r}.json").write_text(json.dumps(given()))
    return plain(parameters, generators=generators, learning_rate=learning_rate)


SPEC = dataclasses.replace(SPEC, build=build)
"""
"""What follows `faulty_sgd(HELD_ON_A_GPU, folder)`: tells what Ray has given its worker."""

HELD_ON_A_GPU = """
if ray.is_initialized() and (FOLDER / "hold").exists() and "GPU" in given():
    (FOLDER / "held").touch()
    time.sleep(400)
    raise TimeoutError("nobody has taken the node")
"""
