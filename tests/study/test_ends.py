"""Ends that must not lie: what a run says and returns when its folder, its Ray or itself is taken away."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.processes import wait_for

WORDS = (
    "--search", "random", "--dataset", "synthetic", "--optimizers", "sgd,adam", "--trials", "400", "--seeds", "1",
    "--confirm-seeds", "0", "--repeats", "1", "--no-timing", "--output", "results",
)  # fmt: skip
GO_ON = f"Go on with: python -m study.run {' '.join(WORDS)}\n"
KILLED = f"python -m study.run was ended at once, by a signal or by Ray; all finished epochs are stored. {GO_ON}"


@pytest.fixture
def started(tmp_path):
    """A study at work: its process, and its folder once trials are stored there."""
    with subprocess.Popen(
        [sys.executable, "-m", "study.run", *WORDS],
        cwd=tmp_path,
        # Ray's driver waits a minute for a control service that is gone.
        env={**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "5"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        folder = tmp_path / "results"
        wait_for(lambda: len(list(folder.glob("trials/*.parquet"))) >= 4, process)
        yield process, folder
        process.kill()


def rays(process: subprocess.Popen[str], name: str) -> psutil.Process:
    """The process of that name of the Ray that a driver has started."""
    (found,) = (child for child in psutil.Process(process.pid).children() if child.name() == name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_ray_that_is_killed_ends_the_run_in_one_line_with_the_way_on(name, started, study_command):
    process, folder = started
    rays(process, name).kill()
    printed, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (1, KILLED)
    assert "state-dump" not in printed
    assert "raylet" not in printed
    kept = set(folder.glob("trials/*.parquet"))
    ended = study_command(*WORDS, "--time-budget", "0.001")
    assert kept
    assert "Report: results/report/report.html" in ended.stdout, ended.stderr


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_the_way_on_in_the_terminal(started):
    process, _ = started
    process.kill()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (-9, KILLED)


@pytest.mark.slow
def test_a_second_signal_ends_the_run_at_once_and_leaves_the_way_on(started):
    process, _ = started
    process.send_signal(signal.SIGSTOP)  # both signals are there before it can answer the first
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert said == KILLED


def take_away(path: pathlib.Path) -> None:
    """Delete a folder in which files may come while they are deleted."""
    path.rename(path.with_name("moved"))
    shutil.rmtree(path.with_name("moved"))


@pytest.mark.slow
@pytest.mark.parametrize("within", [".", "trials", "epochs"])
def test_a_folder_that_is_deleted_ends_the_run_at_the_next_trial(within, started):
    process, folder = started
    lost = folder if within == "." else folder / within
    take_away(lost)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "was deleted, moved or replaced while the study ran" in said
    assert not list(folder.glob("report/*"))


@pytest.mark.slow
def test_a_run_without_a_report_is_no_good_end(study_command):
    ended = study_command(*WORDS, "--time-budget", "0.001")
    assert "No report: " in ended.stdout
    assert ended.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/dev/null", "/proc/1"])
def test_a_home_that_cannot_be_written_is_named_and_ends_nothing(home, study_command, tmp_path):
    small = ("--train-images", "100", "--epochs", "1", "--batch-size", "20", "--trials", "2", "--confirm-seeds", "6")
    once = ("--search", "random", "--optimizers", "sgd", "--repeats", "1", "--no-sweep", "--no-timing")
    done = study_command(*once, *small, "--output", "out", env={"HOME": home, "XDG_CACHE_HOME": ""})
    assert done.returncode == 0, done.stderr
    assert f"'{home}/.cache" in done.stdout + done.stderr
    assert (tmp_path / "out" / "report" / "report.html").exists()
