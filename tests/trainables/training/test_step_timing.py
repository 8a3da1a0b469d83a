"""Interleaved turns on a clock of our own, and real steps: what is timed, in which order, and that it ends in time."""

import dataclasses
import math
from itertools import pairwise

import pytest
import torch

from tests.user_optimizers import CHANGING_IMPORTS, SGD
from trainables.optimizers import DEFAULTS, load_optimizer
from trainables.training import step_timing
from trainables.training.loop import Training
from trainables.training.step_timing import (
    BATCH_SIZES,
    FEWEST_BLOCKS,
    MOST_BLOCKS,
    TURN_SECONDS,
    interleave,
    plan,
    time_steps,
)
from trainables.training.trial import TrialConfig


class Machine:
    """Optimizers whose steps take a known time on a clock that only they and the first `reading` move.

    Attributes:
        taken: Every turn, as (optimizer, batch size, steps).
    """

    def __init__(self, seconds_per_image, *, slow_from=float("inf"), factor=1.0):
        self.now, self.taken = 100.0, []
        self._seconds_per_image, self._slow_from, self._factor = seconds_per_image, slow_from, factor

    def clock(self):
        return self.now

    def turns(self):
        return {name: self._turn(name, seconds) for name, seconds in self._seconds_per_image.items()}

    def _turn(self, name, seconds_per_image):
        def turn(batch_size, num_steps):
            slowness = self._factor if self.now >= self._slow_from else 1.0
            one = seconds_per_image * batch_size * slowness
            self.taken.append((name, batch_size, num_steps))
            self.now += one * num_steps
            return one * (num_steps - 1)

        return turn


FAST = {"sgd": 5e-5, "adam": 6e-5, "langevin": 1e-4}


def run(machine, seconds=24.0):
    timings = interleave(machine.turns(), seconds=seconds, clock=machine.clock)
    return timings, machine.now - 100.0


def num_blocks(timings):
    return {size: len({e.block for e in timings if e.batch_size == size}) for size in BATCH_SIZES}


def test_every_block_times_every_optimizer_once():
    timings, _ = run(Machine(FAST))
    assert sorted((entry.batch_size, entry.block, entry.optimizer) for entry in timings) == sorted(
        (size, block, name) for size, number in num_blocks(timings).items() for block in range(number) for name in FAST
    )
    assert min(num_blocks(timings).values()) >= FEWEST_BLOCKS


def test_the_order_is_reversed_from_block_to_block():
    machine = Machine(FAST)
    timings, _ = run(machine)
    taken = machine.taken[-len(timings) :]
    for size, number in num_blocks(timings).items():
        names = [name for name, batch_size, _ in taken if batch_size == size]
        expected = [list(FAST)[:: -1 if block % 2 else 1] for block in range(number)]
        assert names == [name for block in expected for name in block]


def test_batch_sizes_share_the_time_evenly_from_begin_to_end():
    """At any moment, up to the longest block; those that have had all their blocks make room for the others."""
    machine = Machine(FAST)
    timings, _ = run(machine)
    spent, number = dict.fromkeys(BATCH_SIZES, 0.0), dict.fromkeys(BATCH_SIZES, 0)
    longest = 500 * sum(FAST.values()) * 2
    for _, size, num_steps in machine.taken[-len(timings) :: len(FAST)]:
        spent[size] += sum(FAST.values()) * size * num_steps
        number[size] += 1
        unfinished = [seconds for one, seconds in spent.items() if number[one] < MOST_BLOCKS]
        assert max(unfinished) - min(unfinished) <= longest + 1e-9
    assert number == num_blocks(timings)
    assert number[32] == MOST_BLOCKS > number[500]


def test_the_first_step_of_a_turn_and_the_turns_that_warm_up_are_not_timed():
    machine = Machine(FAST)
    timings, _ = run(machine)
    in_blocks = machine.taken[-len(timings) :]
    assert sorted((e.optimizer, e.batch_size, e.steps + 1) for e in timings) == sorted(in_blocks)
    for entry in timings:
        assert entry.seconds == pytest.approx(FAST[entry.optimizer] * entry.batch_size * entry.steps)
    assert len(machine.taken) - len(timings) == 2 * len(FAST) * len(BATCH_SIZES)


def test_turns_of_a_batch_size_have_the_same_steps_and_are_not_shorter_than_the_clock_allows():
    timings, _ = run(Machine(FAST))
    for size in BATCH_SIZES:
        (num_steps,) = {entry.steps for entry in timings if entry.batch_size == size}
        assert num_steps * min(FAST.values()) * size >= TURN_SECONDS


@pytest.mark.parametrize("slowness", [0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0])
@pytest.mark.parametrize("num_optimizers", [2, 5, 20])
def test_it_ends_in_time_on_any_machine(slowness, num_optimizers):
    """Unless a few steps at batch 32 take longer."""
    machine = Machine({f"o{n}": 5e-5 * slowness for n in range(num_optimizers)})
    timings, seconds = run(machine)
    assert seconds <= 24.0 + 5 * 32 * 5e-5 * slowness
    assert all(number == 0 or number >= FEWEST_BLOCKS for number in num_blocks(timings).values())
    if slowness <= 1 and num_optimizers < 20:
        assert min(num_blocks(timings).values()) >= 20


def test_a_slow_machine_loses_the_large_batches_first():
    left = []
    for slowness in (1, 10, 30, 100, 1000):
        timings, _ = run(Machine({name: slowness * seconds for name, seconds in FAST.items()}))
        left.append([size for size, number in num_blocks(timings).items() if number])
    assert left[0] == [32, 100, 500]
    assert left[-1] == []
    assert all(later == earlier[: len(later)] for earlier, later in pairwise(left))
    assert [32] in left or [32, 100] in left


@pytest.mark.parametrize("factor", [2.0, 8.0, 100.0])
def test_a_machine_that_becomes_slower_loses_blocks_and_no_time(factor):
    timings, seconds = run(Machine(FAST, slow_from=110.0, factor=factor))
    undisturbed, _ = run(Machine(FAST))
    assert 0 < len(timings) < len(undisturbed)
    assert all(number >= FEWEST_BLOCKS for number in num_blocks(timings).values())
    one_block = factor * sum(FAST.values()) * 500 * 2
    assert seconds <= 24.0 + one_block


def test_a_machine_that_stalls_leaves_nothing():
    timings, _ = run(Machine(FAST, slow_from=100.8, factor=1000.0))
    assert timings == []


@pytest.mark.parametrize("seconds", [0.5, 3.0, 24.0, 1e4])
@pytest.mark.parametrize("cost", [1e-5, 1e-4, 1e-3, 1e-2])
def test_a_plan_has_room_for_the_fewest_blocks_of_all_batch_sizes_and_no_other(seconds, cost):
    costs = {size: {"a": cost * size, "b": 3 * cost * size} for size in BATCH_SIZES}
    steps = plan(costs, seconds)
    assert list(steps) == list(BATCH_SIZES[: len(steps)])

    def needed(size):
        return FEWEST_BLOCKS * (1 + math.ceil(TURN_SECONDS / (cost * size))) * 4 * cost * size

    assert all(needed(size) <= seconds / len(steps) for size in steps)
    if len(steps) < len(BATCH_SIZES):
        more = BATCH_SIZES[: len(steps) + 1]
        assert any(needed(size) > seconds / len(more) for size in more)


# --- real steps


def configs_of(*names, seed=3):
    return [
        TrialConfig(
            optimizer=name,
            hyperparameters=load_optimizer(name).published,
            seeds=(seed,),
            batch_size=20,
            num_epochs=2,
        )
        for name in names
    ]


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(step_timing, "MOST_BLOCKS", 6)
    monkeypatch.setattr(step_timing, "TURN_SECONDS", 1e-9)
    monkeypatch.setattr(step_timing, "BATCH_SIZES", (32, 500))


@pytest.mark.usefixtures("brief", "untouched_global_generator")
def test_real_steps_of_all_optimizers_are_timed(few_images, device):
    """At a batch that is larger than the data set, too."""
    timings = time_steps(configs_of(*DEFAULTS), {}, few_images, device, seconds=300.0)
    assert {(entry.optimizer, entry.block, entry.batch_size) for entry in timings} == {
        (name, block, batch_size) for name in DEFAULTS for block in range(6) for batch_size in (32, 500)
    }
    assert len(timings) == len(DEFAULTS) * 6 * 2
    assert all(entry.seconds > 0 for entry in timings)
    assert all(isinstance(value, str | int | float) for value in dataclasses.asdict(timings[0]).values())


@pytest.mark.usefixtures("brief")
def test_a_single_thread_works_and_the_number_before_is_restored(few_images, monkeypatch):
    seen, plain = set(), Training.step

    def step(self, chosen, labels):
        seen.add(torch.get_num_threads())
        return plain(self, chosen, labels)

    monkeypatch.setattr(Training, "step", step)
    torch.set_num_threads(2)
    time_steps(configs_of("sgd", "adam"), {}, few_images, seconds=300.0)
    assert seen == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("brief")
def test_every_turn_starts_from_the_same_state(few_images, monkeypatch):
    """However large the learning rate: the loss before the first update is that of the initial network."""
    losses, plain = [], Training.step

    def step(self, chosen, labels):
        loss = plain(self, chosen, labels)
        losses.append(float(loss))
        return loss

    monkeypatch.setattr(Training, "step", step)
    (config,) = configs_of("momentum")
    wild = dataclasses.replace(config, hyperparameters={"learning_rate": 1e6, "momentum": 0.99})
    time_steps([wild], {}, few_images, seconds=300.0)
    first = losses[-2 * 2 * 6 :: 2]
    assert len(first) == 12
    assert all(abs(loss - 2.3) < 0.1 for loss in first)
    assert max(losses) > 100 or any(loss != loss for loss in losses)


@pytest.mark.usefixtures("brief")
def test_a_foreign_optimizer_has_its_turns_elsewhere(few_images, monkeypatch):
    """Among those of the others, and none of them with torch as it has made it."""
    trained, plain = [], Training.step

    def step(self, chosen, labels):
        trained.append(self.config.optimizer)
        return plain(self, chosen, labels)

    monkeypatch.setattr(Training, "step", step)
    (ours,) = configs_of("sgd")
    mine = dataclasses.replace(ours, optimizer="mine")
    adam = torch.optim.Adam.step
    source = f"import torch\n{next(iter(CHANGING_IMPORTS))}\n{SGD}"
    timings = time_steps([ours, mine], {"mine": source}, few_images, seconds=300.0)
    assert [entry.optimizer for entry in timings[:4]] == ["sgd", "mine", "mine", "sgd"]
    assert all(entry.seconds > 0 for entry in timings)
    assert set(trained) == {"sgd"}
    assert torch.optim.Adam.step is adam


@pytest.mark.slow
def test_a_step_that_hangs_when_it_is_timed_is_named_with_its_limit(few_images, monkeypatch):
    """It may do so at one batch size alone, long after it was tried out."""
    monkeypatch.setattr("trainables.training.step_timing.SECONDS", 6.0)
    (ours,) = configs_of("sgd")
    hanging = SGD.replace("    return torch", "    optimizer = torch").replace(
        "lr=learning_rate)", "lr=learning_rate)\n    optimizer.step = threading.Event().wait\n    return optimizer"
    )
    message = "^optimizer 'mine' has failed: a turn of its steps has not ended within 6 seconds$"
    with pytest.raises(RuntimeError, match=message):
        time_steps(
            [dataclasses.replace(ours, optimizer="mine")],
            {"mine": f"import threading\n{hanging}"},
            few_images,
            seconds=300.0,
        )


def test_a_step_is_that_of_an_epoch(make_training, few_images):
    """Bit for bit: an epoch only measures more."""
    for name in ("sgd", "adam", "langevin"):
        whole, steps = make_training(name, num_epochs=1), make_training(name, num_epochs=1)
        record = whole.run_epoch()[0]
        steps.epoch = 1
        order = steps._order()
        labels = torch.from_numpy(few_images.train_labels.copy()).long()[order].mT
        losses = [steps.step(chosen, target) for chosen, target in zip(order, labels, strict=True)]
        assert torch.equal(steps.model.parameters, whole.model.parameters)
        assert [float(loss[0]) for loss in losses] == record.step_losses.tolist()
