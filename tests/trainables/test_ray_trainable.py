"""Tune's view of a trial, without Tune: `setup`, `step` and `reset_config` are called as it calls them."""

import dataclasses
import io
import os
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from trainables.optimizers import load_optimizer
from trainables.ray_trainable import RayTrainable
from trainables.storage.checkpoints import Checkpoints
from trainables.training.loop import Training

NUM_EPOCHS = 4
TIMES = {"seconds"}

Start = Callable[[dict[str, Any]], RayTrainable]
Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def start(few_images) -> Start:
    class Trainable(RayTrainable):
        def __init__(self, config):  # Tune's makes folders in the home folder
            self.setup(config)

        def setup(self, config):  # as wrapped by tune.with_parameters
            super().setup(config, few_images, {})

    return Trainable


@pytest.fixture
def configure(tmp_path) -> Configure:
    """Makes a config with a checkpoint in `tmp_path`, where `storage` is not None."""

    def make(
        optimizer: str = "adam",
        *,
        name: str | None = "this/trial",
        earlier: dict[str, Any] | None = None,
        storage: pathlib.Path = tmp_path,
        test: bool = False,
        **settings: Any,
    ) -> dict[str, Any]:
        trial = {
            "optimizer": optimizer,
            "hyperparameters": dict(load_optimizer(optimizer).published),
            "seeds": [0, 1],
            "batch_size": 50,
            "num_epochs": NUM_EPOCHS,
        }
        checkpoint = None if name is None else {"storage": str(storage), "name": name, "earlier": earlier}
        return {"trial": trial | settings, "test": test, "checkpoint": checkpoint}

    return make


def comparable(value: Any) -> Any:
    """A result without wall times, in which arrays can be compared."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def steps(trainable: RayTrainable, num_epochs: int) -> list[Any]:
    return [comparable(trainable.step()) for _ in range(num_epochs)]


def cut_off(trainable: RayTrainable, stored_epochs: int) -> list[Any]:
    """Train until the checkpoint after `stored_epochs` is there, and one epoch more that is lost; a driver's log."""
    return steps(trainable, stored_epochs + 1)[:stored_epochs]


@pytest.fixture
def trained_epochs(monkeypatch) -> list[int]:
    """Numbers of the epochs that are trained in this process."""
    epochs: list[int] = []
    run_epoch = Training.run_epoch

    def counted(self):
        epochs.append(self.epoch + 1)
        return run_epoch(self)

    monkeypatch.setattr(Training, "run_epoch", counted)
    return epochs


@pytest.mark.parametrize("optimizer", ["adam", "langevin"])
@pytest.mark.parametrize("stored_epochs", [1, 3])
def test_going_on_from_a_checkpoint_equals_training_uninterrupted(
    start, configure, trained_epochs, optimizer, stored_epochs
):
    expected = steps(start(configure(optimizer, name=None, test=True)), NUM_EPOCHS)
    assert expected[-1]["done"]
    assert [test["test_error"] >= 0 for test in expected[-1]["tests"]] == [True, True]

    config = configure(optimizer, test=True)
    log = cut_off(start(config), stored_epochs)
    trained_epochs.clear()
    log += steps(start(config), NUM_EPOCHS - stored_epochs)
    assert trained_epochs == list(range(stored_epochs + 1, NUM_EPOCHS + 1))
    assert log == expected


def test_a_trial_may_be_cut_off_again_and_again(start, configure, trained_epochs):
    expected = steps(start(configure("langevin", name=None)), NUM_EPOCHS)
    trained_epochs.clear()
    log: list[Any] = []
    for epoch in range(1, NUM_EPOCHS):
        log[epoch - 1 :] = steps(start(configure("langevin")), 2)
    assert trained_epochs == [1, 2, 2, 3, 3, 4]
    assert log == expected


def test_a_later_run_goes_on_from_an_earlier_run(start, configure, trained_epochs):
    expected = steps(start(configure("langevin", name=None)), NUM_EPOCHS)
    log = cut_off(start(configure("langevin", name="run-1/trial")), 2)
    trained_epochs.clear()
    earlier = {"name": "run-1/trial", "num_epochs": 2}
    config = configure("langevin", name="run-2/trial", earlier=earlier)
    assert log + steps(start(config), 2) == expected
    assert steps(start(config), 1) == expected[3:], "its own checkpoint comes before the earlier run's"
    assert trained_epochs == [3, 4, 4]


def test_a_checkpoint_of_epochs_that_the_driver_does_not_know_is_not_used(start, configure, trained_epochs):
    cut_off(start(configure(name="run-1/trial")), 2)
    trained_epochs.clear()
    for num_epochs, first in ((0, 1), (1, 1), (2, 3), (3, 3)):
        start(configure(name=f"after-{num_epochs}", earlier={"name": "run-1/trial", "num_epochs": num_epochs})).step()
        assert trained_epochs.pop() == first


def test_an_epoch_is_saved_once_the_next_one_is_asked_for(start, configure, monkeypatch):
    saved: list[str] = []
    save = Checkpoints.save

    def counted(self, name, content):
        saved.append(name)
        save(self, name, content)

    monkeypatch.setattr(Checkpoints, "save", counted)
    trainable = start(configure())
    for epoch in range(NUM_EPOCHS):
        trainable.step()
        assert saved == ["this/trial"] * epoch  # none after the last epoch: nothing goes on from there
    saved.clear()
    start(configure()).step()
    assert not saved, "what has just been loaded is not saved again"


def test_without_a_checkpoint_nothing_is_stored(start, configure, tmp_path):
    steps(start(configure(name=None)), NUM_EPOCHS)
    assert not list(tmp_path.iterdir())


def test_the_next_trial_of_a_worker_has_its_own_checkpoint(start, configure, trained_epochs, tmp_path):
    trainable = start(configure(name="first"))
    steps(trainable, 3)
    assert trainable.reset_config(configure(name="second"))
    assert steps(trainable, 2) == steps(start(configure(name=None)), 2)
    assert trainable.reset_config(configure(name="first"))
    trainable.step()
    assert trainable.reset_config(configure(name=None))
    trainable.step()
    assert trained_epochs == [1, 2, 3, 1, 2, 1, 2, 3, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.parametrize(
    "other",
    [
        {"seeds": [0, 2]},
        {"num_epochs": NUM_EPOCHS + 1},
        {"batch_size": 10},
        {"hyperparameters": {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.999}},
        {"optimizer": "langevin", "hyperparameters": dict(load_optimizer("langevin").published)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_of_another_trial_is_not_used(start, configure, trained_epochs, other):
    cut_off(start(configure(**other)), 1)
    trained_epochs.clear()
    assert steps(start(configure()), 1) == steps(start(configure(name=None)), 1)
    assert trained_epochs == [1, 1]


def test_a_checkpoint_of_another_kind_of_device_is_not_used(start, configure, tmp_path, trained_epochs):
    cut_off(start(configure()), 2)
    checkpoints = Checkpoints(str(tmp_path))
    packed = torch.load(io.BytesIO(checkpoints.load("this/trial")), weights_only=True)
    buffer = io.BytesIO()
    torch.save(packed | {"device": "cuda"}, buffer)
    checkpoints.save("this/trial", buffer.getvalue())
    trained_epochs.clear()
    start(configure()).step()
    assert trained_epochs == [1]


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_no_code_in_a_checkpoint_is_ever_run(start, configure, tmp_path, form):
    victim = tmp_path / "victim"
    content = pickle.dumps(Hostile(victim))
    if form == "torch":
        buffer = io.BytesIO()
        torch.save({"config": {}, "device": "cpu", "state": Hostile(victim)}, buffer)
        content = buffer.getvalue()
    else:
        pickle.loads(content)
        assert victim.is_dir(), "the pickle is harmless, so this test shows nothing"
        victim.rmdir()
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.save("this/trial", content)
    checkpoints.save("run-1/trial", content)
    config = configure(earlier={"name": "run-1/trial", "num_epochs": 9})
    assert steps(start(config), 2) == steps(start(configure(name=None)), 2)
    assert not victim.exists()
    assert checkpoints.load("run-1/trial") == content


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04", pickle.dumps({"state": 1})])
def test_what_is_no_checkpoint_is_not_used(start, configure, tmp_path, content):
    Checkpoints(str(tmp_path)).save("this/trial", content)
    assert steps(start(configure()), 2) == steps(start(configure(name=None)), 2)


def test_a_state_that_fits_only_in_part_leaves_nothing_behind(start, configure, tmp_path):
    """As from another version of this program: parameters are taken over before the noise turns out to be missing."""
    cut_off(start(configure("langevin")), 2)
    checkpoints = Checkpoints(str(tmp_path))
    packed = torch.load(io.BytesIO(checkpoints.load("this/trial")), weights_only=True)
    del packed["state"]["noise"]
    buffer = io.BytesIO()
    torch.save(packed, buffer)
    checkpoints.save("this/trial", buffer.getvalue())
    assert steps(start(configure("langevin")), 2) == steps(start(configure("langevin", name=None)), 2)


def test_a_damaged_checkpoint_gives_way_to_the_earlier_run(start, configure, tmp_path, trained_epochs):
    cut_off(start(configure(name="run-1/trial")), 2)
    cut_off(start(configure(name="run-2/trial")), 3)
    path = tmp_path / "run-2" / "trial"
    path.write_bytes(path.read_bytes()[:-1])
    trained_epochs.clear()
    start(configure(name="run-2/trial", earlier={"name": "run-1/trial", "num_epochs": 2})).step()
    assert trained_epochs == [3]


def test_a_storage_out_of_reach_changes_no_row(start, configure, tmp_path, caplog):
    (tmp_path / "file").touch()
    trainable = start(configure(storage=tmp_path / "file"))
    assert steps(trainable, NUM_EPOCHS) == steps(start(configure(name=None)), NUM_EPOCHS)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"No checkpoint after epoch {epoch}" for epoch in range(1, NUM_EPOCHS)
    ]
