"""What every optimizer must keep to, for every registered one unasked, and for files of a user's own."""

import copy
import re

import pytest
import torch

from tests.user_optimizers import (
    CLIPPED_SGD,
    FORGETFUL_LION,
    FORGETFUL_STEPS,
    IDLE_STEPS,
    LION,
    SHRINKING_SGD,
    SOUND_STEPS,
    own_sgd,
)
from trainables.contract import check_optimizer, check_point, check_reductions, check_resumable
from trainables.contract.descent import descend
from trainables.models.simple_cnn.network import NUM_PARAMETERS, split_layers
from trainables.optimizers import load_optimizer, load_optimizer_source, optimizer_names, resolve_optimizer
from trainables.spec import Hyperparameter, OptimizerSpec
from trainables.training.optimizers import build_optimizers

corners = pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
every_optimizer = pytest.mark.parametrize("name", optimizer_names())


class Descent:
    """An optimizer on |theta + 1|^2 / 2 with networks of `len(seeds)` replicates, seed by seed the same start."""

    def __init__(self, spec: OptimizerSpec, fraction: float, seeds: tuple[int, ...]) -> None:
        self.theta = torch.stack([torch.linspace(-1, 1, NUM_PARAMETERS).roll(seed) for seed in seeds])
        self.start = self.theta.clone()
        self.gradients = torch.empty_like(self.theta)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.optimizers = build_optimizers(
            spec,
            {key: axis.at(fraction) for key, axis in spec.space.items()},
            parameters=self.theta,
            gradients=self.gradients,
            generators=self.generators,
        )

    def take(self, num_steps: int) -> torch.Tensor:
        for _ in range(num_steps):
            torch.add(self.theta, 1, out=self.gradients)
            for optimizer in self.optimizers:
                optimizer.step()
        return self.theta


@every_optimizer
@corners
def test_every_optimizer_steps_across_its_space(name, fraction):
    descent = Descent(load_optimizer(name), fraction, seeds=(0, 1))
    theta = descent.take(1)
    assert theta.isfinite().all()
    assert ((theta != descent.start).sum(dim=1) > 0.9 * NUM_PARAMETERS).all()


@every_optimizer
@corners
@pytest.mark.usefixtures("untouched_global_generator")
def test_same_generator_seeds_give_the_same_end(name, fraction):
    ends = [Descent(load_optimizer(name), fraction, seeds=(4, 5)).take(4) for _ in range(2)]
    assert torch.equal(*ends)


@every_optimizer
@corners
def test_an_optimizer_goes_on_from_its_state(name, fraction):
    spec = load_optimizer(name)
    first, second = (Descent(spec, fraction, seeds=(0, 1)) for _ in range(2))
    second.theta.copy_(first.take(3))
    for ours, theirs in zip(second.optimizers, first.optimizers, strict=True):
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    for ours, theirs in zip(second.generators, first.generators, strict=True):
        ours.set_state(theirs.get_state())
    assert torch.equal(first.take(3), second.take(3))


@every_optimizer
@corners
def test_replicates_together_are_replicates_alone(name, fraction):
    spec = load_optimizer(name)
    together = Descent(spec, fraction, seeds=(0, 1, 2)).take(4)
    alone = torch.cat([Descent(spec, fraction, seeds=(seed,)).take(4) for seed in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)  # vectors end elsewhere and round otherwise


@every_optimizer
def test_every_optimizer_passes_the_check_of_a_users_own(name):
    check_optimizer(name, load_optimizer(name))


@every_optimizer
def test_an_optimizer_is_the_simpler_one_wherever_it_says_so(name):
    spec = load_optimizer(name)
    check_reductions(name, spec, {simpler: load_optimizer(simpler) for simpler in spec.reduces_to})


@pytest.mark.parametrize(
    ("name", "neutral"),
    [("langevin", "diffusion"), ("constant_noise", "diffusion"), ("momentum", "momentum")],
)
def test_networks_trained_at_the_neutral_value_are_those_of_the_simpler_optimizer(make_training, name, neutral):
    assert load_optimizer(name).reduces_to == {"sgd": {neutral: 0.0}}
    ours = make_training(name, {"learning_rate": 0.05, neutral: 0.0}, num_epochs=2)
    theirs = make_training("sgd", {"learning_rate": 0.05}, num_epochs=2)
    for _ in range(2):
        for mine, other in zip(ours.run_epoch(), theirs.run_epoch(), strict=True):
            assert (mine.train_loss, mine.validation_loss) == (other.train_loss, other.validation_loss)
            assert (mine.step_losses == other.step_losses).all()
            assert mine.weight_norm == other.weight_norm
    assert torch.equal(ours.evaluate_test().losses, theirs.evaluate_test().losses)


def test_an_optimizer_given_as_source_may_say_what_it_reduces_to():
    spec = load_optimizer_source("shrinking", SHRINKING_SGD)
    check_reductions("shrinking", spec, {"sgd": load_optimizer("sgd")})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("=shrinkage)", "=shrinkage + 1e-6)", r"'shrinking' must be sgd bit for bit at shrinkage=0, but 32 steps on a"),
        (
            '"sgd": {"shrinkage": 0.0}',
            '"sgd": {"shrinkage": 1e-4}',
            r"must be sgd bit for bit at shrinkage=0\.0001, but",
        ),
        (
            '"sgd": {',
            '"sdg": {',
            r"reduces_to of 'shrinking' must name optimizers .*, got 'sdg'; add its file or leave",
        ),
        (
            '"sgd": {',
            '"adam": {',
            r"'shrinking' must leave the hyperparameters of adam, .* but leaves learning_rate; m",
        ),
        (
            "    return",
            "    assert shrinkage\n    return",
            r"'shrinking' does not accept learning_rate=0\.01, shrinkage=0",
        ),
    ],
)
def test_a_reduction_that_is_none_is_refused(old, new, message):
    assert old in SHRINKING_SGD
    spec = load_optimizer_source("shrinking", SHRINKING_SGD.replace(old, new))
    check_optimizer("shrinking", spec)
    with pytest.raises(ValueError, match=message):
        check_reductions("shrinking", spec, {name: load_optimizer(name) for name in ("sgd", "adam")})


def test_an_optimizer_given_as_source_passes_the_check_and_learns(make_training):
    spec = resolve_optimizer("lion", {"lion": LION})
    check_optimizer("lion", spec)
    training = make_training("lion", {**spec.published, "learning_rate": 1e-3}, spec=spec, num_epochs=12)
    first, *_, last = [training.run_epoch() for _ in range(12)]
    for before, after in zip(first, last, strict=True):
        assert after.train_loss < before.train_loss - 0.1


@pytest.mark.parametrize("name", ["mine", "sgd2"])
def test_sources_of_other_names_are_left_alone(name):
    assert resolve_optimizer("sgd", {name: "1 / 0"}) is load_optimizer("sgd")


def test_an_optimizer_that_mixes_elements_trains_as_each_replicate_alone(make_training, make_ends):
    spec = load_optimizer_source("clipped", CLIPPED_SGD)
    check_optimizer("clipped", spec)
    settings = {"hyperparameters": {"learning_rate": 1.0}, "spec": spec, "num_epochs": 1}
    group = make_ends("clipped", seeds=(0, 1, 2), **settings)
    for r in range(3):
        alone = make_training("clipped", seeds=(r,), **settings)
        (record,) = alone.run_epoch()
        group.assert_near(alone, record.step_losses[:, None], slice(r, r + 1))
        assert record.gradient_norm > 0.2, "nothing would have been clipped"


def test_an_optimizer_that_mixes_elements_is_given_the_layers():
    spec = load_optimizer_source("clipped", CLIPPED_SGD)
    parameters, gradients = torch.zeros(2, NUM_PARAMETERS), torch.ones(2, NUM_PARAMETERS)
    optimizers = build_optimizers(
        spec, spec.published, parameters=parameters, gradients=gradients, generators=[torch.Generator()] * 2
    )
    for optimizer in optimizers:
        shapes = [parameter.shape for parameter in optimizer.optimizer.param_groups[0]["params"]]
        assert shapes == [layer.shape[1:] for layer in split_layers(parameters)]


def step_of(update: str, *, mixes_elements: bool = False) -> OptimizerSpec:
    """An optimizer whose step runs one line of Python on `p`, a parameter, and `g`, its gradient."""

    class Optimizer(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    exec(update, {"torch": torch}, {"p": p, "g": p.grad, "lr": group["lr"]})

    def build(parameters, *, generators, learning_rate):
        del generators
        return Optimizer(parameters, {"lr": learning_rate})

    return OptimizerSpec(
        build=build,
        equation="θ ← ?",
        space={"learning_rate": Hyperparameter(low=1e-3, high=1.0, scale="log")},
        published={"learning_rate": 0.1},
        reference="a test",
        mixes_elements=mixes_elements,
    )


@pytest.mark.parametrize(
    "update",
    [
        "p.sub_(lr * g / max(1, g.norm()))",
        "p.sub_(lr * g / max(10_000, g.norm()))",
        "p.sub_(lr * g / g.square().mean().sqrt())",
        "p.sub_(lr * (g - g.mean()))",
    ],
)
def test_an_optimizer_that_mixes_elements_and_does_not_say_so_is_refused(update):
    check_optimizer("mine", step_of(update, mixes_elements=True))
    message = r"Optimizer 'mine' must update each element from its own .*; set mixes_elements=True in its SPEC"
    with pytest.raises(ValueError, match=message):
        check_optimizer("mine", step_of(update))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (
            "pass",
            r"Optimizer 'mine' must move its parameters at every step, but step 1 of 32 left all those .*; mend it",
        ),
        ("p.sub_(float('nan') * g)", r"Optimizer 'mine' must keep its parameters finite, but 32 steps .*; mend it"),
        ("p.sub_(1e30 * g)", r"Optimizer 'mine' must keep its parameters finite"),
        (
            "p.sub_(lr * g + torch.randn(p.shape))",
            r"Optimizer 'mine' must draw its noise from `generators`, but the same seeds gave two results; pass",
        ),
        ("1 / 0", r"must take a step with its published setting .* but raised ZeroDivisionError.*; mend its file"),
        ("p.sub_(lr * h)", r"must take a step with its published setting .* but raised NameError.*; mend its file"),
        ("raise SystemExit(0)", r"must take a step with .* but raised SystemExit\(0\); mend its file"),
    ],
)
def test_an_optimizer_that_breaks_the_contract_is_refused(update, message):
    with torch.random.fork_rng(), pytest.raises(ValueError, match=message):
        check_optimizer("mine", step_of(update))


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in SOUND_STEPS.items()])
def test_an_optimizer_may_do_with_gradients_and_parameters_what_torch_allows(step):
    spec = load_optimizer_source("mine", own_sgd(step))
    check_optimizer("mine", spec)
    ends = [descend(which, {"learning_rate": 0.1}, (0, 1)).theta for which in (spec, load_optimizer("sgd"))]
    assert torch.equal(*ends)


@pytest.mark.parametrize(("step", "first"), [pytest.param(*idle, id=name) for name, idle in IDLE_STEPS.items()])
def test_an_optimizer_that_does_not_move_at_every_step_is_refused(step, first):
    message = (
        rf"must move its parameters at every step, but step {first} of 32 left all those of a network as they were"
    )
    with pytest.raises(ValueError, match=message):
        check_optimizer("mine", load_optimizer_source("mine", own_sgd(step)))


@pytest.mark.parametrize("other", ["p.data.double()", "p.data[..., :1]"])
def test_a_step_that_leaves_parameters_of_another_kind_is_refused(other):
    spec = load_optimizer_source("mine", own_sgd(f"for p in parameters: p.data = {other}"))
    with pytest.raises(
        ValueError, match=r"A step must leave a parameter its shape, type and device \(shape .* made it"
    ):
        check_optimizer("mine", spec)


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in FORGETFUL_STEPS.items()])
def test_an_optimizer_that_goes_on_differently_from_some_step_on_cannot_go_on(step):
    spec = load_optimizer_source("mine", own_sgd(step))
    check_optimizer("mine", spec)
    with pytest.raises(ValueError, match=r"Optimizer 'mine' must keep all that it remembers in its state_dict"):
        check_resumable("mine", spec)


def test_a_state_that_a_checkpoint_may_not_hold_cannot_go_on():
    """Checkpoints hold tensors and plain values: no code in them is ever run."""
    state = "        self.state[parameters[0]]['kept'] = itertools.count()\n"
    source = own_sgd("super().step()").replace("        super().step()\n", f"        super().step()\n{state}")
    spec = load_optimizer_source("mine", source)
    check_optimizer("mine", spec)
    with pytest.raises(ValueError, match=r"must take up its own state_dict to go on from a checkpoint, but raised"):
        check_resumable("mine", spec)


def test_a_build_that_takes_other_arguments_is_refused():
    spec = step_of("p.sub_(lr * g)")
    other = OptimizerSpec(
        build=spec.build,
        equation="θ ← ?",
        space={"rate": spec.space["learning_rate"]},
        published={"rate": 0.1},
        reference="a test",
    )
    with pytest.raises(ValueError, match=r"but raised TypeError.*'rate'.*; mend its file"):
        check_optimizer("mine", other)


def test_a_point_that_the_optimizer_refuses_is_named():
    with pytest.raises(ValueError, match=r"Optimizer 'sgd' does not accept learning_rate=-1: Invalid learning rate"):
        check_point("sgd", load_optimizer("sgd"), {"learning_rate": -1.0})
    check_point("sgd", load_optimizer("sgd"), {"learning_rate": 5.0})


def test_an_optimizer_that_ends_the_program_at_a_point_is_refused():
    with pytest.raises(ValueError, match=r"Optimizer 'mine' does not accept learning_rate=0\.1: SystemExit\(0\)"):
        check_point("mine", step_of("raise SystemExit(0)"), {"learning_rate": 0.1})


@every_optimizer
def test_every_optimizer_goes_on_from_its_stored_state(name):
    check_resumable(name, load_optimizer(name))


def test_an_optimizer_that_remembers_beside_its_state_cannot_go_on():
    """A count of steps as an attribute, which no checkpoint holds."""
    spec = load_optimizer_source("forgetful", FORGETFUL_LION)
    check_optimizer("forgetful", spec)
    with pytest.raises(
        ValueError, match=r"'forgetful' must keep all that it remembers in its state_dict .*; mend it or"
    ):
        check_resumable("forgetful", spec)


@pytest.mark.parametrize("error", ["KeyError('lion')", "SystemExit(0)"])
def test_an_optimizer_that_does_not_take_up_its_state_cannot_go_on(error):
    raises = f"    def load_state_dict(self, state):\n        raise {error}\n\n    @torch.no_grad()\n"
    spec = load_optimizer_source("forgetful", FORGETFUL_LION.replace("    @torch.no_grad()\n", raises))
    message = rf"'forgetful' must take up its own state_dict .* but raised {re.escape(error)}; mend it or leave out"
    with pytest.raises(ValueError, match=message):
        check_resumable("forgetful", spec)
