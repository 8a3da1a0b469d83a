"""The command line refuses what makes no sense: one line, status 2, nothing written, no heavy import."""

import json
import pathlib
import re
import subprocess
import sys

import pyarrow as pa
import pytest

from analysis.ledger.durable import write_part
from analysis.ledger.schema import trials_schema
from study import __version__
from study.ledger import write_study
from study.ledger.rows import failed_rows
from study.queue.tasks import Task, TrialKey
from study.request.checks import check, parse_values
from study.request.optimizer_files import read_files
from study.request.options import FEWEST_CONFIRM_SEEDS, parse, parser
from study.request.study import build_study
from study.run import main
from study.search import search_names
from tests.user_optimizers import CHANGING_IMPORTS, SGD, SGD_THAT_MIXES_ELEMENTS, SHRINKING_SGD
from trainables.optimizers import load_optimizer_source, optimizer_names

CLAIMS = """
[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.02
a = ["langevin"]
b = ["sgd"]
refuted_by = "{b} is better than {a}"
"""
FILES = {
    "mine.py": SGD,
    "no_spec.py": "PSEC = 1\n",
    "wrong_spec.py": "SPEC = {'name': 'sgd'}\n",
    "raises.py": "raise RuntimeError('first line\\nsecond line')\n",
    "leaves.py": "raise SystemExit(0)\n",
    "syntax.py": "def build(:\n",
    "refuses.py": SGD.replace("    return torch", "    raise ValueError('no')\n    return torch"),
    "leaves_late.py": SGD.replace("    return torch", "    raise SystemExit(0)\n    return torch"),
    "rival.py": f"import torch\n{next(iter(CHANGING_IMPORTS))}\n{SGD}",
    "still.py": SGD.replace("lr=learning_rate", "lr=0.0 * learning_rate"),
    "global_noise.py": SGD.replace("    return torch", "    parameters[0].data += torch.randn(())\n    return torch"),
    "mixes.py": SGD_THAT_MIXES_ELEMENTS,
    "column.py": SGD.replace('"learning_rate"', '"seed"').replace("learning_rate", "seed"),
    "no_reduction.py": SHRINKING_SGD.replace('{"sgd"', '{"sdg"'),
    "outside.py": SGD.replace("0.01", "2.0"),
    "hostile_name.py": SGD.replace('"learning_rate"', '"../<script>"'),
    "two_lines.py": SGD.replace("θ ← θ − η g", "θ\\nη"),
    "wordy.py": "raise RuntimeError('x' * 10_000)\n",
    "sgd.py": SGD,
    "Upper.py": SGD,
    "with space.py": SGD,
    "mine.txt": SGD,
    "imports.py": "def build():\n    import math, study.spec\n    from no_spec import PSEC\n",
    "relative.py": "from .no_spec import PSEC\n",
    "klingon.py": "# -*- coding: klingon -*-\n",
    "other/mine.py": SGD,
    "claims.toml": CLAIMS,
    "metric.toml": CLAIMS.replace("test_error", "test_errors"),
    "nobody.toml": CLAIMS.replace("langevin", "nobody"),
}
BINARY = "cifar-10-batches-bin"
SMALL = ["--train-images", "200", "--batch-size", "20", "--epochs", "2", "--seeds", "2"]
SMALL_BATCHES = [word if word != "20" else "10" for word in SMALL]
GRID = ["--search", "grid"]
COUNT = "must be a whole number from 1 to 2147483647"
NATURAL = "must be a whole number from 0 to 2147483647"
OPTUNA = ["--search", "optuna"]
COMMAS = "--optimizers must have a name before and after each comma"
MINUTES = r"argument --time-budget: must be a number from 0\.001 to 2147483647"
CORES = r"argument --cpus-per-trial: must be a number from 0\.01 to 2147483647"
GPUS = r"argument --gpus-per-trial: must be a number from 0\.01 to 1"
REACHED = "must be a path that can be reached"
NAMES = r"must be made of names of at most 255 bytes"
PATHS = {
    "--output": "--output",
    "--optimizer-file": "argument --optimizer-file:",
    "--claims": "argument --claims:",
    "--data-dir": "argument --data-dir:",
}
"""What a refusal of each option that takes a path begins with."""
ONCE = {
    "--search": "grid", "--claims": "{given}/claims.toml", "--trials": "3", "--seeds": "2", "--confirm-seeds": "8",
    "--max-confirm-seeds": "48", "--repeats": "2", "--sweep-seeds": "8", "--time-budget": "1", "--dataset": "cifar10",
    "--data-dir": "{given}", "--train-images": "100", "--validation-images": "50", "--epochs": "1",
    "--batch-size": "10", "--precision": "bf16", "--seed": "0", "--lag": "8", "--address": "auto", "--device": "cpu",
    "--cpus-per-trial": "1", "--gpus-per-trial": "1", "--max-concurrent": "1", "--output": "out",
    "--storage": "/nowhere", "--max-failures": "2",
}  # fmt: skip
"""Options that take one value, each with one that it takes."""

# Words, then the message as a regular expression. {given} is the folder that holds the files.
REFUSED = {
    "no search": ([], r"the following arguments are required: --search"),
    "unknown option": ([*OPTUNA, "--trails", "3"], r"unrecognized arguments: --trails 3"),
    "abbreviated option": ([*OPTUNA, "--trial", "3"], r"unrecognized arguments: --trial 3"),
    "unknown search": (["--search", "tpe"], rf"--search must be one of {', '.join(search_names())}, got 'tpe'\."),
    "unknown optimizer": (
        [*OPTUNA, "--optimizers", "sgd,adamax"],
        rf"--optimizers must name some of {', '.join(optimizer_names())}, got 'adamax'; "
        r"to add your own, write a file and give it with --optimizer-file\.",
    ),
    "optimizer in capitals": ([*OPTUNA, "--optimizers", "SGD"], r"--optimizers must name some of .*, got 'SGD'; .*"),
    "empty optimizers": ([*OPTUNA, "--optimizers", ""], rf"{COMMAS}, got ''; name some of .*"),
    "trailing comma": ([*OPTUNA, "--optimizers", "sgd,"], rf"{COMMAS}, got 'sgd,'; name some of .*"),
    "comma in front": ([*OPTUNA, "--optimizers", ", sgd"], rf"{COMMAS}, got ', sgd'; name some of .*"),
    "two commas": ([*OPTUNA, "--optimizers", "sgd,,adam"], rf"{COMMAS}, got 'sgd,,adam'; name some of .*"),
    "a blank for an optimizer": ([*OPTUNA, "--optimizers", "sgd", "--optimizers", " "], rf"{COMMAS}, got 'sgd, '; .*"),
    "repeated optimizer": (
        [*OPTUNA, "--optimizers", "sgd,adam,sgd"],
        r"--optimizers must name each optimizer once, got 'sgd' 2 times\.",
    ),
    "huge optimizer name": ([*OPTUNA, "--optimizers", "x" * 10_000], r"--optimizers must .*, got 'x{60}'; .*"),
    "unknown dataset": (
        [*OPTUNA, "--dataset", "mnist"],
        r"Unknown dataset 'mnist'; choose one of cifar10-mini, cifar10, synthetic\.",
    ),
    "no trials": ([*OPTUNA, "--trials", "0"], rf"argument --trials: {COUNT}, got '0'"),
    "negative trials": ([*OPTUNA, "--trials", "-3"], rf"argument --trials: {COUNT}, got '-3'"),
    "half a trial": ([*OPTUNA, "--trials", "2.5"], rf"argument --trials: {COUNT}, got '2\.5'"),
    "wordy trials": ([*OPTUNA, "--trials", "many"], rf"argument --trials: {COUNT}, got 'many'"),
    "huge trials": ([*OPTUNA, "--trials", "9" * 50], r"argument --trials: must be a whole number .*, got '9{40}'"),
    "no seeds": ([*OPTUNA, "--seeds", "0"], rf"argument --seeds: {COUNT}, got '0'"),
    "no epochs": ([*OPTUNA, "--epochs", "0"], rf"argument --epochs: {COUNT}, got '0'"),
    "NaN epochs": ([*OPTUNA, "--epochs", "nan"], rf"argument --epochs: {COUNT}, got 'nan'"),
    "no batch": ([*OPTUNA, "--batch-size", "0"], rf"argument --batch-size: {COUNT}, got '0'"),
    "no lag": ([*OPTUNA, "--lag", "0"], rf"argument --lag: {COUNT}, got '0'"),
    "no workers": (
        [*OPTUNA, "--max-concurrent", "0"],
        rf"argument --max-concurrent: {COUNT}, got '0'",
    ),
    "negative seed": ([*OPTUNA, "--seed", "-1"], rf"argument --seed: {NATURAL}, got '-1'"),
    "huge seed": ([*OPTUNA, "--seed", "2147483648"], rf"argument --seed: {NATURAL}, got '2\d+'"),
    **{
        f"{number!r} minutes": ([*OPTUNA, "--time-budget", number], rf"{MINUTES}, got '{re.escape(number)}'")
        for number in ("0", "nan", "inf", "-0", "1e-9", "1e30", "1e-400", "1_0", "\N{FULLWIDTH DIGIT THREE}", "0x1", "")
    },
    **{
        f"{number!r} cores": ([*OPTUNA, "--cpus-per-trial", number], rf"{CORES}, got '{re.escape(number)}'")
        for number in ("0", "nan", "inf", "-0", "1e-9", "1e30", "1_0", "\N{FULLWIDTH DIGIT THREE}")
    },
    **{
        f"{number!r} trials": ([*OPTUNA, "--trials", number], rf"argument --trials: {COUNT}, got '{re.escape(number)}'")
        for number in ("1e3", "1_000", "\N{FULLWIDTH DIGIT THREE}", "-0", "inf", "", "0x10", "3.0")
    },
    **{
        f"{share} of a GPU": (
            [*OPTUNA, "--gpus-per-trial", share],
            rf"{GPUS}, got '{share}'",
        )
        for share in ("-1", "0", "1.5", "nan", "half", "1e-9", "0_1")
    },
    "autoscaling of this machine": (
        [*OPTUNA, "--autoscaling"],
        r"--autoscaling is for a cluster: give its --address, or leave it out\.",
    ),
    "unknown device": ([*OPTUNA, "--device", "tpu"], r"--device must be one of auto, cpu, gpu, mixed, got 'tpu'\."),
    **{
        f"{count} confirmation seeds": (
            [*OPTUNA, "--confirm-seeds", str(count)],
            rf"--confirm-seeds must be 0 or at least 6, got {count}: with fewer pairs no exact test can reach .*",
        )
        for count in range(1, FEWEST_CONFIRM_SEEDS)
    },
    **{
        f"{option} of several tunings": (
            [*OPTUNA, *option.split()],
            rf"{option.split()[0]} is for --repeats 1, got 4: with several tunings verdicts are about optimizers, .*",
        )
        for option in ("--until-decided", "--max-confirm-seeds 48")
    },
    "until decided without a confirmation": (
        [*OPTUNA, "--repeats", "1", "--until-decided", "--confirm-seeds", "0"],
        r"--until-decided needs confirmation seeds to begin with, got --confirm-seeds 0; 12 are usual\.",
    ),
    "more confirmation seeds than there may be": (
        [*OPTUNA, "--repeats", "1", "--max-confirm-seeds", "11"],
        r"--confirm-seeds must be at most --max-confirm-seeds, got 12 and 11; lower it or .*",
    ),
    "until decided with no seed left": (
        [*OPTUNA, "--repeats", "1", "--until-decided", "--max-confirm-seeds", "12"],
        r"--confirm-seeds must be below --max-confirm-seeds, got 12 and 12; lower it or .*",
    ),
    "until decided from beyond its default": (
        [*OPTUNA, "--repeats", "1", "--until-decided", "--confirm-seeds", "48"],
        r"--confirm-seeds must be below 48, the most that .* may have, got 48; lower it, or choose another --output .*",
    ),
    **{
        f"{count} sweep seeds": (
            [*OPTUNA, "--sweep-seeds", str(count), "--confirm-seeds", confirmed],
            rf"--sweep-seeds must be from 6 to the {confirmed} of --confirm-seeds, got {count}: its runs .*",
        )
        for count, confirmed in ((13, "12"), (6, "0"))
    },
    "five sweep seeds": ([*OPTUNA, "--sweep-seeds", "5"], r"argument --sweep-seeds: must be a whole number from 6 .*"),
    "sweep seeds without a sweep": (
        [*OPTUNA, "--sweep-seeds", "8", "--no-sweep"],
        r"--sweep-seeds is for a study with a sweep, got --no-sweep; leave one of them out\.",
    ),
    "too few images": ([*OPTUNA, "--train-images", "4"], r"--train-images must be from 5 to 4000, got 4; .*"),
    "too many images": ([*OPTUNA, "--train-images", "4001"], r"--train-images must be from 5 to 4000, got 4001; .*"),
    "batch above the images": (
        [*OPTUNA, "--train-images", "50", "--batch-size", "51"],
        r"--batch-size must be at most the 50 training images, got 51; lower it or raise --train-images\.",
    ),
    "data directory for the mini set": (
        [*OPTUNA, "--data-dir", "{given}"],
        r"Dataset cifar10-mini comes with the package, got --data-dir {given}; leave it out or use --dataset cifar10\.",
    ),
    "download of the mini set": ([*OPTUNA, "--download"], r"Dataset cifar10-mini comes with the package, got --down.*"),
    "data directory for no images": (
        [*OPTUNA, "--dataset", "synthetic", "--data-dir", "{given}"],
        r"Dataset synthetic has no images, got --data-dir {given}; leave it out or use --dataset cifar10\.",
    ),
    "more validation than training images": (
        [*OPTUNA, "--train-images", "50", "--batch-size", "10", "--validation-images", "51"],
        r"--validation-images must be from 1 to 50, got 51; pick one of these\.",
    ),
    "a subset of no images": (
        [*OPTUNA, "--dataset", "synthetic", "--train-images", "100"],
        r"--train-images is not for --dataset synthetic, which has no images; leave it out\.",
    ),
    "batches of no images": (
        [*OPTUNA, "--dataset", "synthetic", "--batch-size", "1"],
        r"--batch-size is not for --dataset synthetic, which has no images; leave it out\.",
    ),
    "unknown precision": (
        [*OPTUNA, "--precision", "fp16"],
        r"--precision must be one of float32, tf32, bf16, got 'fp16'\.",
    ),
    **{
        f"tf32 on {device}": (
            [*OPTUNA, "--precision", "tf32", "--device", device],
            rf"--precision tf32 is for GPUs, got --device {device}; use float32 or bf16\.",
        )
        for device in ("cpu", "mixed")
    },
    "precision of a formula": (
        [*OPTUNA, "--dataset", "synthetic", "--precision", "bf16"],
        r"--precision is not for --dataset synthetic, which trains nothing; leave it out\.",
    ),
    "order of a formula": (
        [*OPTUNA, "--dataset", "synthetic", "--shared-order"],
        r"--shared-order is not for --dataset synthetic, which trains nothing; leave it out\.",
    ),
    "no data directory": (
        [*OPTUNA, "--dataset", "cifar10"],
        r"Dataset cifar10 is read from a directory, got none; add --data-dir DIR\.",
    ),
    "missing data": (
        [*OPTUNA, "--dataset", "cifar10", "--data-dir", "{given}/nowhere"],
        rf"The data directory must hold {BINARY} or cifar-10-batches-py, got {{given}}/nowhere with neither; .*",
    ),
    "a file as data directory": (
        [*OPTUNA, "--dataset", "cifar10", "--data-dir", "{given}/mine.py"],
        r"The data directory must be a directory, got the file {given}/mine\.py; pick another --data-dir\.",
    ),
    "corrupt data": (
        [*OPTUNA, "--dataset", "cifar10", "--data-dir", "{given}/corrupt"],
        rf"{{given}}/corrupt/{BINARY}/data_batch_1\.bin must have MD5 5dd7e06a14cb22eb9f671a540d1b7c25, "
        r"got [0-9a-f]{32}; delete .*",
    ),
    "incomplete data": (
        [*OPTUNA, "--dataset", "cifar10", "--data-dir", "{given}/incomplete"],
        rf"{{given}}/incomplete/{BINARY}/data_batch_1\.bin must be a readable file with MD5 5dd7e06.*, got: No such .*",
    ),
    "file that imports another": (
        [*OPTUNA, "--optimizer-file", "{given}/imports.py"],
        r"--optimizer-file sends one file to the workers, '{given}/imports\.py' imports no_spec beside it in line 3; "
        r"copy what it needs into the file, or install that as a package\.",
    ),
    "file that imports from its folder": (
        [*OPTUNA, "--optimizer-file", "{given}/relative.py"],
        r"--optimizer-file sends one file .*, '{given}/relative\.py' imports what lies beside it in line 1; copy .*",
    ),
    "file in an unknown encoding": (
        [*OPTUNA, "--optimizer-file", "{given}/klingon.py"],
        r"--optimizer-file must name a readable text file, got '{given}/klingon\.py': unknown encoding: klingon\.",
    ),
    "missing file": (
        [*OPTUNA, "--optimizer-file", "{given}/absent.py"],
        r"--optimizer-file must name a readable text file, got '{given}/absent\.py': .*No such file.*",
    ),
    "not a Python file": (
        [*OPTUNA, "--optimizer-file", "{given}/mine.txt"],
        r"--optimizer-file must name a Python file \(\*\.py\), got '{given}/mine\.txt'\.",
    ),
    "same file name twice": (
        [*OPTUNA, "--optimizer-file", "{given}/mine.py", "--optimizer-file", "{given}/other/mine.py"],
        r"--optimizer-file must give each name once, got 'mine' twice; rename one file\.",
    ),
    "name in capitals": (
        [*OPTUNA, "--optimizer-file", "{given}/Upper.py"],
        r"An optimizer file is named by up to 40 lower-case letters, digits and underscores, a letter first, got "
        r"'Upper'; rename it\.",
    ),
    "name with a space": ([*OPTUNA, "--optimizer-file", "{given}/with space.py"], r"An optimizer file is named by .*"),
    "name that is taken": (
        [*OPTUNA, "--optimizer-file", "{given}/sgd.py"],
        r"Optimizer 'sgd' is already part of the study program; rename your file\.",
    ),
    "file without SPEC": (
        [*OPTUNA, "--optimizer-file", "{given}/no_spec.py"],
        r"no_spec\.py must define SPEC, a trainables\.spec\.OptimizerSpec, got NoneType\.",
    ),
    "SPEC of another kind": (
        [*OPTUNA, "--optimizer-file", "{given}/wrong_spec.py"],
        r"wrong_spec\.py must define SPEC, a trainables\.spec\.OptimizerSpec, got dict\.",
    ),
    "file that raises": (
        [*OPTUNA, "--optimizer-file", "{given}/raises.py"],
        r"raises\.py must be a Python file that defines SPEC, but it raises RuntimeError\(.*\); mend it\.",
    ),
    "file that is no Python": (
        [*OPTUNA, "--optimizer-file", "{given}/syntax.py"],
        r"syntax\.py must be a Python file that defines SPEC, but it raises SyntaxError\(.*\); mend it\.",
    ),
    "optimizer that refuses its own setting": (
        [*OPTUNA, "--optimizer-file", "{given}/refuses.py"],
        r"Optimizer 'refuses' must take a step with its published setting .*, but raised ValueError\('no'\); mend .*",
    ),
    "optimizer that ends the program": (
        [*OPTUNA, "--optimizer-file", "{given}/leaves_late.py"],
        r"Optimizer 'leaves_late' must take a step with its published setting .*, but raised SystemExit\(0\); mend .*",
    ),
    "optimizer that changes its rival": (
        [*OPTUNA, "--optimizer-file", "{given}/rival.py"],
        r"Optimizer 'rival' must leave torch as it finds it, so that it trains in the same way as its rivals, but the "
        r"import of its code changes torch\.optim\.adam\.Adam\.step; leave that out, or undo it at the end\.",
    ),
    "optimizer that stands still": (
        [*OPTUNA, "--optimizer-file", "{given}/still.py"],
        r"Optimizer 'still' must move its parameters at every step, but step 1 of 32 left all those of a network as "
        r"they were, though their gradients were not 0; mend it, or begin a warm-up above 0\.",
    ),
    "optimizer with noise from nowhere": (
        [*OPTUNA, "--optimizer-file", "{given}/global_noise.py"],
        r"Optimizer 'global_noise' must draw its noise from `generators`, but the same seeds gave two results; .*",
    ),
    "optimizer that mixes replicates": (
        [*OPTUNA, "--optimizer-file", "{given}/mixes.py"],
        r"Optimizer 'mixes' must update each element from its own .*; set mixes_elements=True in its SPEC\.",
    ),
    "optimizer that reduces to nobody": (
        [*OPTUNA, "--optimizer-file", "{given}/no_reduction.py"],
        r"reduces_to of 'no_reduction' must name optimizers of the package or of other files, got 'sdg'; add its .*\.",
    ),
    "hyperparameter with the name of a column": (
        [*OPTUNA, "--optimizer-file", "{given}/column.py"],
        r"Hyperparameters may not have a column's name, got seed; rename them\.",
    ),
    "published setting out of range": (
        [*OPTUNA, "--optimizer-file", "{given}/outside.py"],
        r"outside\.py must be a Python file that defines SPEC, but it raises .*must lie within its range.*",
    ),
    **{
        f"{option} given twice": (
            [*OPTUNA, option, value, option, value],
            rf"argument {option}: must be given once, got '.*' and '{value}(\.0)?'; leave one out",
        )
        for option, value in ONCE.items()
    },
    **{
        f"{option} {word!r}": ([*OPTUNA, option, word], rf"{start} {NAMES}, got '{word[:197]}.*'; choose another\.?")
        for option, start in PATHS.items()
        for word in ("x" * 300, f"new/{'ü' * 200}/y")
    },
    **{
        f"{option} in a file": (
            [*OPTUNA, option, "{given}/mine.py/x.py"],
            rf"{start} {REACHED}, got '{{given}}/mine\.py/x\.py' \(Not a directory\); choose .*",
        )
        for option, start in PATHS.items()
    },
    **{
        f"{option} that leads round in a circle": (
            [*OPTUNA, option, "{given}/circle/x.py"],
            rf"{start} {REACHED}, got '{{given}}/circle/x\.py' \(Too many levels .*\); choose .*",
        )
        for option, start in PATHS.items()
    },
    **{
        f"empty {option}": ([*OPTUNA, option, " "], f"{start} must be a path, got ' '; name one or leave .*")
        for option, start in PATHS.items()
        if option != "--output"
    },
    "output that cannot be made": (
        [*OPTUNA, "--output", "/proc/none"],
        r"--output must be a folder that can be made and written, got '/proc/none' \(No such .*\); choose another\.",
    ),
    "output without a name": (
        [*OPTUNA, "--output", ""],
        r"--output must name a folder or a URI, got ''; name one or leave the option out\.",
    ),
    "values without a grid": (
        [*OPTUNA, "--values", "sgd.learning_rate=0.1"],
        r"--values is for --search grid, got --search optuna; leave one of them out\.",
    ),
    "grid without values": (GRID, r"--search grid needs --values for each optimizer, got none for sgd, .*"),
    "values of one hyperparameter in two options": (
        [*GRID, "--values", "sgd.learning_rate=0.1", "--values", "sgd.learning_rate=0.2"],
        r"--values must give sgd\.learning_rate once, got it twice; join the lists\.",
    ),
    "one optimizer in two options": (
        [*OPTUNA, "--optimizers", "sgd,adam", "--optimizers", "sgd"],
        r"--optimizers must name each optimizer once, got 'sgd' 2 times\.",
    ),
    "grid with trials": (
        [*GRID, "--trials", "3", "--values", "sgd.learning_rate=0.1"],
        r"--trials is not for --search grid, which trains every combination of --values; leave it out\.",
    ),
    "grid that misses a hyperparameter": (
        [*GRID, "--values", "momentum.learning_rate=0.1"],
        r"--values must give each hyperparameter of momentum \(learning_rate, momentum\), got learning_rate\.",
    ),
    "grid with a hyperparameter too many": (
        [*GRID, "--values", "sgd.learning_rate=0.1", "sgd.beta1=0.1"],
        r"--values must give each hyperparameter of sgd \(learning_rate\), got beta1, learning_rate\.",
    ),
    "grid of an optimizer that is not asked for": (
        [*GRID, "--optimizers", "sgd", "--values", "sgd.learning_rate=0.1", "adam.learning_rate=0.1"],
        r"--values must be for an optimizer of the study \(sgd\), got adam\.",
    ),
    "grid of an unknown optimizer": (
        [*GRID, "--values", "sdg.learning_rate=0.1"],
        r"--optimizers must name some of .*, got 'sdg'; .*",
    ),
    "grids of unequal size": (
        [*GRID, "--values", "sgd.learning_rate=0.1,0.2", "langevin.learning_rate=0.1", "langevin.diffusion=0"],
        r"--values must give every optimizer the same number of points, a fair budget; got sgd 2, langevin 1\.",
    ),
    "grid with a value that the optimizer refuses": (
        [*GRID, "--values", "sgd.learning_rate=0.1,-0.1"],
        r"Optimizer 'sgd' does not accept learning_rate=-0\.1: .*",
    ),
    "grid with a value twice": (
        [*GRID, "--values", "sgd.learning_rate=0.1,1e-1"],
        r"--values must list each value once, got 'sgd\.learning_rate=0\.1,1e-1'\.",
    ),
    "grid with a hyperparameter twice": (
        [*GRID, "--values", "sgd.learning_rate=0.1", "sgd.learning_rate=0.2"],
        r"--values must give sgd\.learning_rate once, got it twice; join the lists\.",
    ),
    **{
        f"grid value {word!r}": ([*GRID, "--values", word], r"--values takes OPTIMIZER\.HYPERPARAMETER=V1.* got '.*'\.")
        for word in ("sgd", "sgd=0.1", "sgd.learning_rate", "sgd.learning_rate=", "sgd.=1", ".learning_rate=1",
                     "sgd.learning_rate=0.1,", "sgd.learning_rate=nan", "sgd.learning_rate=inf", "sgd.learning_rate=x",
                     "sgd.learning_rate=1_0", "sgd.learning_rate=0.1,,0.2", "sgd.learning_rate=1e400")
    },
    "a file as output": (
        [*OPTUNA, "--output", "{given}/mine.py"],
        r"--output must be a directory, {given}/mine\.py is a file; choose another\.",
    ),
    "output with the name of a package": (
        [*OPTUNA, "--output", "study"],
        r"--output must not lie in a folder named study of the working directory, .*, got 'study'; "
        r"choose another, as in --output results/study\.",
    ),
    "output inside the name of a package": (
        [*OPTUNA, "--output", "../here/analysis/a"],
        r"--output must not lie in a folder named analysis .*, got '\.\./here/analysis/a'; .* results/a\.",
    ),
    "output among other files": (
        [*OPTUNA, "--output", "{given}"],
        r"--output must be a new directory or that of a study, {given} holds other files\.",
    ),
    "output of another study": (
        [*OPTUNA, *SMALL_BATCHES, "--lag", "3", "--output", "{given}/study"],
        r"{given}/study holds a different study: batch_size is 20, not 10; lag is 8, not 3\. "
        r"Choose another --output, or give the same settings to continue it\.",
    ),
    "output with other validation images": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--validation-images", "100", "--output", "{given}/study"],
        r"{given}/study holds a different study: .*num_evaluation_images is 40, not 100.*",
    ),
    "output with another optimizer of that name": (
        [*OPTUNA, *SMALL, "--optimizers", "momentum", "--output", "{given}/study"],
        r"{given}/study holds a different study: momentum\.space is .*, not .*",
    ),
    "output that needs a file of the user": (
        [*OPTUNA, *SMALL, "--optimizers", "adam", "--output", "{given}/own"],
        r"{given}/own holds a study with your own sign; add --optimizer-file sign\.py to continue it\.",
    ),
    "damaged study.json": (
        [*OPTUNA, "--output", "{given}/damaged"],
        r"{given}/damaged/study\.json must describe a study, but cannot be read \(.*\); restore it\.",
    ),
    "study.json with another identity than its hash says": (
        [*OPTUNA, *SMALL, "--output", "{given}/forged"],
        r"{given}/forged/study\.json must describe a study, but .*its identity does not have its hash.*; restore it\.",
    ),
    "study.json with a name that leads elsewhere": (
        [*OPTUNA, *SMALL, "--output", "{given}/hostile"],
        r"{given}/hostile/study\.json must describe a study, but .*'\.\./x' can name no optimizer.*; restore it\.",
    ),
    "study.json of a later release": (
        [*OPTUNA, *SMALL, "--output", "{given}/later"],
        r"{given}/later/study\.json must describe a study, but .*it has format 99, this release writes \d.*",
    ),
    "damaged rows in a dry run": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--output", "{given}/broken", "--dry-run"],
        r"'{given}/broken/trials/a\.[0-9a-f]+\.parquet' is damaged \(.*\); the command without --dry-run .*",
    ),
    "rows of another study": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--output", "{given}/mixed"],
        r"The rows of {given}/mixed/trials must have an optimizer among sgd, momentum, got '\.\./x'; remove .*",
    ),
    "rows that stand twice": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--output", "{given}/twice"],
        r"Each key must stand once in {given}/twice/trials, 1 stand more often, the first is sgd explore 1 .*",
    ),
    "rows of a later release": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--output", "{given}/newer"],
        r".* up to schema version 4, '{given}/newer/trials/a\.[0-9a-f]+\.parquet' has version 99; .*",
    ),
    "relative storage": (
        [*OPTUNA, "--storage", "checkpoints"],
        r"The storage of checkpoints must be an absolute path or a URI .*, got the relative path 'checkpoints'; .*",
    ),
    "storage of an unknown kind": (
        [*OPTUNA, "--storage", "ftp://host/folder"],
        r"The storage of checkpoints must be .*, got 'ftp://host/folder'; choose one of these\.",
    ),
    "storage that cannot be written": (
        [*OPTUNA, "--storage", "{given}/mine.py/checkpoints"],
        r"The storage of checkpoints must be a folder that can be written, .*, got '{given}/mine\.py/checkpoints': .*",
    ),
    "negative failures": ([*OPTUNA, "--max-failures", "-1"], rf"argument --max-failures: {NATURAL}, got '-1'"),
    "hyperparameter with a hostile name": (
        [*OPTUNA, "--optimizer-file", "{given}/hostile_name.py"],
        r"hostile_name\.py must be a Python file .* but it raises .*A hyperparameter is named by up to 40 .*",
    ),
    "equation of two lines": (
        [*OPTUNA, "--optimizer-file", "{given}/two_lines.py"],
        r"two_lines\.py must be a Python file .* but it raises .*equation must be one line of 1 to 500 printable .*",
    ),
    "error of 10 kB": (
        [*OPTUNA, "--optimizer-file", "{given}/wordy.py"],
        r"wordy\.py must be a Python file that defines SPEC, but it raises RuntimeError\('x{200,300}; mend it\.",
    ),
    "claims that are not there": (
        [*OPTUNA, "--claims", "{given}/absent.toml"],
        r"a file of claims is needed, '{given}/absent\.toml' is none: No such file or directory",
    ),
    "claims about an unknown metric": (
        [*OPTUNA, "--claims", "{given}/metric.toml"],
        r"a file of claims is needed, '{given}/metric\.toml' is none: metric of .* must be one .*, got 'test_errors'\.",
    ),
    "claims about an unknown optimizer": (
        [*OPTUNA, "--claims", "{given}/nobody.toml"],
        r"claims must name known optimizers \(adam, .*\), got nobody; mend the name or add .* --optimizer-file\.",
    ),
    "claims that come after the study": (
        [*OPTUNA, *SMALL, "--optimizers", "sgd", "--claims", "{given}/claims.toml", "--output", "{given}/study"],
        r"--claims must be those that {given}/study began with: claims made after the first trial test nothing\. .*",
    ),
    "unreachable cluster": (
        [*OPTUNA, "--address", "127.0.0.1:1"],
        r"--address must name a running Ray cluster, got 127\.0\.0\.1:1, which does not answer \(.*\); start .*",
    ),
    "address that jobs are sent to": (
        [*OPTUNA, "--address", "http://10.0.0.1:8265"],
        r"--address must be HOST:PORT .*, got 'http://10\.0\.0\.1:8265'; that is where `ray job submit` sends jobs: .*",
    ),
    **{
        f"address {word}": (
            [*OPTUNA, "--address", word],
            r"--address must be HOST:PORT of a Ray cluster that this machine belongs to, or auto, got '.*'; leave .*",
        )
        for word in ("", "nonsense", "ray://127.0.0.1:10001", "host:port", "host:99999", ":6379")
    },
}  # fmt: skip


def trials_of(spec):
    """One row of `trials`."""
    key = TrialKey("sgd", "explore", 1)
    task = Task(key=key, sampler="sobol", point={"learning_rate": 0.1}, replicates=(0,), seeds=(7,))
    schema = trials_schema(name for definition in spec.optimizers.values() for name in definition.space)
    return pa.Table.from_pylist(failed_rows(task, 0, [], "RuntimeError: no"), schema=schema)


@pytest.fixture
def given(tmp_path, make_spec):
    """A folder with every file that the cases name; the command runs beside it."""
    folder = tmp_path / "given"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in ("corrupt", "incomplete"):
        (folder / name / BINARY).mkdir(parents=True)
    (folder / "corrupt" / BINARY / "data_batch_1.bin").write_bytes(b"\x00" * 3073)
    write_study(folder / "study", {**make_spec().to_dict(), "runs": [], "looks": []})
    own = make_spec(optimizers=("sign",)).to_dict()
    own["optimizers"]["sign"]["source"] = SGD
    write_study(folder / "own", {**own, "runs": [], "looks": []})
    description = {**make_spec().to_dict(), "runs": [], "looks": []}
    write_study(folder / "forged", {**description, "identity": {**description["identity"], "seed": 1}})
    write_study(folder / "hostile", {**description, "optimizers": {"../x": description["optimizers"]["sgd"]}})
    write_study(folder / "later", {**description, "format_version": 99})
    for name in ("broken", "mixed", "twice", "newer"):
        write_study(folder / name, description)
    table = trials_of(make_spec())
    write_part(table, folder / "broken" / "trials", "a").write_bytes(b"PAR1 and no more")
    place = table.column_names.index("optimizer")
    foreign = table.set_column(place, table.schema.field("optimizer"), pa.array(["../x"]))
    write_part(foreign, folder / "mixed" / "trials", "a")
    for name in ("a", "b"):
        write_part(table, folder / "twice" / "trials", name)
    write_part(table.replace_schema_metadata({"schema_version": "99"}), folder / "newer" / "trials", "a")
    (folder / "circle").symlink_to("circle")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "study.json").write_text(json.dumps({"identity": {}}), encoding="utf-8")
    return folder


def refusal(words, capsys):
    """Exit status and message of a command that is refused."""
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("python -m study.run: error: ")
    return status, line.removeprefix("python -m study.run: error: ")


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_one_line_status_2_and_nothing_is_written(case, given, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    words, pattern = REFUSED[case]
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    status, message = refusal([word.replace("{given}", str(given)) for word in words], capsys)
    assert re.fullmatch(pattern.replace("{given}", re.escape(str(given))), message), message
    assert status == 2
    assert list(here.iterdir()) == []
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_an_address_of_the_environment_is_checked_like_one_given(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    status, message = refusal(OPTUNA, capsys)
    assert status == 2
    assert "got 127.0.0.1:1, which does not answer" in message


HEAVY = {"torch", "torchvision", "ray", "optuna", "scipy", "pandas", "pyarrow", "polars", "pydantic", "altair", "rich"}


@pytest.mark.parametrize(
    ("words", "status", "unwanted"),
    [
        (["--help"], 0, {*HEAVY, "numpy", "PIL"}),
        (["--version"], 0, {*HEAVY, "numpy", "PIL"}),
        (OPTUNA[:1], 2, {*HEAVY, "numpy", "PIL"}),
        (["--search", "none"], 2, HEAVY),
        ([*OPTUNA, "--optimizers", "none"], 2, HEAVY),
        ([*OPTUNA, "--address", "127.0.0.1:1"], 2, HEAVY),
        ([*OPTUNA, "--train-images", "1"], 2, HEAVY),
    ],
)
def test_an_answer_that_trains_nothing_loads_nothing_heavy(words, status, unwanted, tmp_path):
    """So that it comes at once: imports are nearly all of its time."""
    code = "\n".join(
        (
            "import runpy, sys",
            f"sys.argv[1:] = {words!r}",
            "try:",
            "    runpy.run_module('study.run', run_name='__main__')",
            "finally:",
            f"    print('loaded:', *sorted({unwanted!r} & set(sys.modules)))",
        )
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_optimizer_and_search(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in (*optimizer_names(), *search_names()))


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"optimizer-study {__version__}\n"


def test_values_are_grouped_by_optimizer_in_the_order_given():
    words = ["momentum.momentum=0.9,0", "momentum.learning_rate=1e-3,1E-2", "sgd.learning_rate=1"]
    assert parse_values(words) == {
        "momentum": {"momentum": [0.9, 0.0], "learning_rate": [0.001, 0.01]},
        "sgd": {"learning_rate": [1.0]},
    }


def test_seed_zero_is_a_seed():
    assert parser().parse_args([*OPTUNA, "--seed", "0"]).seed == 0


@pytest.mark.parametrize("words", [["--confirm-seeds", "0"], ["--trials", "1"], ["--seeds", "1"], ["--lag", "99999"]])
def test_a_dry_run_prints_the_plan_and_writes_nothing(words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*OPTUNA, "--train-images", "50", "--batch-size", "10", "--epochs", "1", "--dry-run", *words]) == 0
    text = capsys.readouterr().out
    assert re.search(
        r"Study [0-9a-f]{12} in results/[0-9a-f]{12}: 5 optimizers x \d+ trials? x \d seeds? by optuna", text
    )
    assert re.search(r"[\d,]+ networks to train; [\d,]+ images of cifar10-mini, batch 10, 1 epoch\.", text)
    assert re.search(r"About \d+ (second|minute)s? on this machine", text)
    assert "Timing steps at the end takes up to 30 seconds more." in " ".join(text.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--no-timing"], ["--optimizers", "sgd"]])
def test_a_dry_run_announces_no_timing_where_there_is_none(words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*OPTUNA, "--train-images", "50", "--epochs", "1", "--dry-run", *words]) == 0
    assert "Timing" not in capsys.readouterr().out


def test_few_confirmation_seeds_get_a_note(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    several = [*OPTUNA, "--dataset", "synthetic", "--epochs", "1", "--dry-run", "--confirm-seeds"]
    words = ["--repeats", "1", *several]
    assert main([*words, "8"]) == 0
    # 1 + log2(2 * 6 / 0.05) = 8.9: the first look has half of alpha.
    assert "8 confirmation seeds give no verdict on a family of 6 claims, which takes 9" in capsys.readouterr().out
    assert main([*words, "9"]) == 0
    assert "family" not in capsys.readouterr().out
    assert main([*words, "6", "--optimizers", "sgd,langevin"]) == 0
    # All claims of the file count, also the five that this study does not hold.
    assert "6 confirmation seeds give no verdict on a family of 6 claims, which takes 9" in capsys.readouterr().out
    assert main([*words, "6", "--optimizers", "sgd,momentum"]) == 0
    assert "family" not in capsys.readouterr().out
    # Verdicts on optimizers rest on tunings, by Student's t.
    assert main([*several, "6", "--repeats", "4"]) == 0
    assert "family" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sweep"),
    [
        ([], "12 of them for the sweep of every hyperparameter"),
        (["--confirm-seeds", "24"], "12 of them for the sweep of every hyperparameter"),
        (["--confirm-seeds", "8"], "8 of them for the sweep of every hyperparameter"),
        (["--confirm-seeds", "24", "--sweep-seeds", "18"], "18 of them for the sweep of every hyperparameter"),
        (["--confirm-seeds", "0"], "without sweep"),
        (["--no-sweep"], "without sweep"),
    ],
)
def test_the_sweep_has_the_seeds_of_the_confirmation_up_to_twelve(monkeypatch, tmp_path, capsys, words, sweep):
    monkeypatch.chdir(tmp_path)
    assert main([*OPTUNA, "--dataset", "synthetic", "--epochs", "1", "--dry-run", "--repeats", "1", *words]) == 0
    assert f"confirmation seeds, {sweep}." in " ".join(capsys.readouterr().out.split())


def test_a_study_that_began_with_nine_rates_is_completed_as_such_and_takes_no_sweep_seeds(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    words = [*OPTUNA, "--dataset", "synthetic", "--epochs", "1", "--optimizers", "sgd", "--output", "out"]
    spec = build_study(check(*parse(words)), tmp_path / "new").spec
    stored = spec.to_dict()
    del stored["extent"]["num_sweep_seeds"]
    (tmp_path / "out").mkdir()
    write_study(tmp_path / "out", {**stored, "runs": [], "looks": []})
    assert main([*words, "--dry-run"]) == 0
    assert "with a sweep of nine learning rates" in " ".join(capsys.readouterr().out.split())
    assert main([*words, "--sweep-seeds", "12"]) == 2
    assert "whose sweep began as nine learning rates on the tuning seeds" in capsys.readouterr().err


def test_the_same_identity_has_the_same_default_directory_whatever_the_extent(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    words = [*OPTUNA, "--dataset", "synthetic", "--epochs", "1", "--dry-run"]
    directories = set()
    for extent in ([], ["--trials", "2"], ["--optimizers", "adam"], ["--no-sweep"], ["--max-concurrent", "1"]):
        assert main([*words, *extent]) == 0
        directories.add(re.search(r"in (results/[0-9a-f]{12}):", capsys.readouterr().out)[1])
    assert len(directories) == 1
    assert not pathlib.Path("results").exists()


@pytest.mark.parametrize("words", ["sgd, adam", " sgd,adam ", "sgd ,\tadam"])
def test_blanks_around_the_names_of_a_list_mean_nothing(words):
    assert check(*parse([*OPTUNA, "--optimizers", words])).optimizers == ("sgd", "adam")
    values = ["sgd.learning_rate = 0.1, 0.2", " adam.learning_rate=.1,\t2E-1 "]
    assert parse_values(values) == {"sgd": {"learning_rate": [0.1, 0.2]}, "adam": {"learning_rate": [0.1, 0.2]}}


def test_blanks_around_a_number_mean_nothing():
    options = parse([*OPTUNA, "--trials", " 3 ", "--time-budget", " 1.5", "--cpus-per-trial", "+2."])
    assert (options[0].trials, options[1].time_budget, options[1].resources.cpus_per_trial) == (3, 1.5, 2.0)


def test_every_option_with_a_value_is_joined_or_refused_if_it_is_given_twice():
    joined = {"--optimizers", "--optimizer-file", "--values"}
    actions = [action for action in parser()._actions if action.nargs != 0]
    assert {option for action in actions for option in action.option_strings} == {*ONCE, *joined}


@pytest.mark.parametrize(
    "encoded",
    [
        b"\xef\xbb\xbf" + SGD.encode(),
        b"# -*- coding: utf-8 -*-\n" + SGD.encode(),
        b"\xef\xbb\xbf# vim: set fileencoding=utf-8 :\r\n" + SGD.replace("\n", "\r\n").encode(),
        b"# -*- coding: latin-1 -*-\n" + SGD.replace("θ ← θ − η g", "é").encode("latin-1"),
    ],
)
def test_an_optimizer_file_is_read_as_python_reads_it(encoded, tmp_path):
    (tmp_path / "mine.py").write_bytes(encoded)
    (text,) = read_files([tmp_path / "mine.py"]).values()
    spec = load_optimizer_source("mine", text)
    assert spec.equation == ("é" if b"latin" in encoded else "θ ← θ − η g")
    assert "\ufeff" not in text
    assert "\r" not in text


def test_a_file_may_import_our_packages_and_the_standard_library_whatever_lies_beside_it(tmp_path):
    for name in ("math", "trainables"):
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "mine.py").write_text(f"import math\n{SGD}")
    assert list(read_files([tmp_path / "mine.py"])) == ["mine"]


def test_lists_that_are_given_twice_are_joined():
    words = ["--optimizers", "sgd", "--optimizers", "momentum,adam"]
    for name in ("sgd.learning_rate", "momentum.learning_rate", "momentum.momentum"):
        words += ["--values", f"{name}=0.1"]
    words += ["--values", "adam.learning_rate=0.1", "adam.beta1=0.5", "adam.beta2=0.5"]
    request = check(*parse([*GRID, *words, "--output", "nowhere"]))
    assert request.optimizers == ("sgd", "momentum", "adam")
    assert {name: len(values) for name, values in request.values.items()} == {"sgd": 1, "momentum": 2, "adam": 3}
    assert parse([*OPTUNA])[0].values == []


@pytest.mark.parametrize(
    ("called", "name"), [("/usr/bin/optimizer-study", "optimizer-study"), ("/here/study/run.py", "python -m study.run")]
)
def test_a_refusal_names_the_command_that_was_called(called, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [called])
    assert main(["--search", "annealing"]) == 2
    assert capsys.readouterr().err.startswith(f"{name}: error: --search must be one of ")
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert capsys.readouterr().err.startswith(f"{name}: error: the following arguments are required: --search")
