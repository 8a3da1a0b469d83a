"""Milliseconds per training step on one CPU core: `python -m benchmarks.training_step 4,8 4,16` prints two cases."""

import sys
import time

import torch

from benchmarks import Row, row
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

NUM_STEPS = 40
NUM_EPOCHS = 14
CASES = ((2, 8), (4, 8), (4, 16), (4, 100))


def rows(*, small: bool = False, repetitions: int | None = None) -> list[Row]:
    """CPU milliseconds per step for pairs of replicates and batch size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = [
        row(
            "training_step",
            f"S={num_replicates}, batch {batch_size}",
            "CPU time per step",
            "ms",
            measure(num_replicates, batch_size, repetitions or (1 if small else NUM_EPOCHS)),
        )
        for num_replicates, batch_size in (CASES[:1] if small else CASES)
    ]
    torch.set_num_threads(threads)
    return found


def measure(num_replicates: int, batch_size: int, num_epochs: int = NUM_EPOCHS) -> list[float]:
    """CPU milliseconds per step of each epoch, evaluation excluded, in ascending order."""
    spec = load_optimizer("sgd")
    config = TrialConfig(
        optimizer="sgd",
        hyperparameters=spec.published,
        seeds=tuple(range(num_replicates)),
        batch_size=batch_size,
        num_epochs=num_epochs,
    )
    training = Training(config, spec, load_dataset("cifar10-mini").subset(NUM_STEPS * batch_size))
    training.run_epoch()  # warm-up, evaluation included: it makes glibc keep large blocks, as in any trial
    times = []
    for _ in range(num_epochs):
        training.epoch += 1
        start = time.thread_time()  # unlike wall time it leaves out what others do on the machine
        training._train_epoch()
        times.append((time.thread_time() - start) / NUM_STEPS * 1e3)
    return sorted(times)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for argument in sys.argv[1:]:
        times = measure(*map(int, argument.split(",")))
        print(f"S,batch={argument}: min {times[0]:.2f} ms, median {times[len(times) // 2]:.2f} ms", flush=True)
