"""A plug-in that fails at the end of a study, or in its plan, is named in one line."""

import io
import pathlib
from types import SimpleNamespace

import pytest
from rich.console import Console

from analysis.plugins import PluginError
from study import command
from study.run import main


def test_a_report_that_a_plug_in_prevents_is_no_good_end(monkeypatch):
    def fails(_):
        raise PluginError("The metric 'mine' must be a number of every run, my_package raises KeyError(0); mend it.")

    monkeypatch.setattr(command, "report_apart", fails)
    job = SimpleNamespace(study=SimpleNamespace(directory=pathlib.Path("there")), queue=SimpleNamespace(finished=True))
    said = io.StringIO()
    assert command._report(Console(file=said), [], None, [job], SimpleNamespace(signal=None)) == 1
    assert said.getvalue() == (
        "No report: The metric 'mine' must be a number of every run, my_package raises KeyError(0); mend it. "
        "All rows are stored; then write it with: python -m analysis.report there\n"
    )


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(0)])
def test_an_optimizer_that_fails_in_the_plan_is_named(error, monkeypatch, tmp_path, capsys):
    def fails(*_):
        raise error

    monkeypatch.setattr("trainables.training.probe.seconds_per_image", fails)
    monkeypatch.chdir(tmp_path)
    assert main(["--search", "random", "--optimizers", "sgd", "--dry-run"]) == 2
    assert capsys.readouterr().err == (
        "python -m study.run: error: The optimizer 'sgd' must train with its published setting, "
        f"trainables.optimizers.sgd raises {error!r}; mend or remove it.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("finished", "due", "announced"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_a_plan_announces_timing_where_it_is_still_to_be_done(finished, due, announced, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(command, "is_due", lambda _: due)
    monkeypatch.setattr(command, "print_estimate", lambda *_, times: asked.append(times))
    monkeypatch.setattr("trainables.training.probe.seconds_per_image", lambda *_: 1e-4)
    monkeypatch.setattr("study.queue.trial_queue.TrialQueue.finished", property(lambda _: finished))
    words = ["--search", "random", "--optimizers", "sgd,adam", "--repeats", "1", "--dry-run"]
    assert main(words) == 0
    assert asked == [announced]
