"""Milliseconds per training step on one CPU core: `python benchmarks/training_step.py 4,8 4,16`."""

import sys
import time

import torch

from trainables.data import load_dataset
from trainables.optimizers import load_optimizer
from trainables.training import Training
from trainables.trial import TrialConfig

NUM_STEPS = 40
NUM_EPOCHS = 14


def measure(num_replicates: int, batch_size: int) -> list[float]:
    """CPU milliseconds per step of each epoch, evaluation excluded, in ascending order."""
    spec = load_optimizer("sgd")
    config = TrialConfig(
        optimizer="sgd",
        hyperparameters=spec.published,
        seeds=tuple(range(num_replicates)),
        batch_size=batch_size,
        num_epochs=NUM_EPOCHS,
    )
    training = Training(config, spec, load_dataset("cifar10-mini").subset(NUM_STEPS * batch_size))
    training.run_epoch()  # warm-up, evaluation included: it makes glibc keep large blocks, as in any trial
    times = []
    for _ in range(NUM_EPOCHS):
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
