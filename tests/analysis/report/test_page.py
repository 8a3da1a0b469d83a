"""What readers get: the words of the report, and the page in a real browser, as wide as a desk and as a phone."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from urllib.parse import unquote

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.report.write import write_comparison, write_report
from analysis.verdicts.default_vocabulary import VOCABULARY

CHROMIUM = pathlib.Path("/usr/bin/chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=30000"),
    *("--window-size=1500,1000", "--dump-dom"),
)
LISTEN = """<script>
window.problems = [];
for (const level of ["error", "warn"]) console[level] = (...words) => window.problems.push(words.join(" "));
window.addEventListener("error", (event) => window.problems.push(event.message));
window.addEventListener("unhandledrejection", (event) => window.problems.push(String(event.reason)));
</script>"""
PROBE = """<script>
const words = (selector) => [...document.querySelectorAll(selector)]
  .filter((badge) => badge.checkVisibility()).map((badge) => badge.innerText.trim().split(/\\s+/).slice(1).join(" "));
const isCut = (box) => box.checkVisibility() && box.getBoundingClientRect().right > innerWidth + 1;
const state = () => {
  const panels = [...document.querySelectorAll(".panel")];
  const marks = [...document.querySelectorAll(".panel path[opacity]")].map((mark) => mark.getAttribute("opacity"));
  return {
    width: innerWidth, overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    panels: panels.length, drawn: panels.filter((panel) => panel.querySelector("svg, canvas")).length,
    wide: panels.filter((panel) => panel.querySelector("svg")?.clientWidth > panel.clientWidth + 1).length,
    hidden: panels.filter((panel) => panel.hidden).length,
    faint: marks.filter((opacity) => opacity > 0 && opacity < 0.1).length,
    overview: words(".overview .verdict"), verdicts: words(".verdicts .verdict"),
    overviewEnd: document.querySelector(".overview")?.getBoundingClientRect().bottom + scrollY,
    cut: [...document.querySelectorAll(".verdict, .overview th, .verdicts td")].filter(isCut).length,
  };
};
const wait = async () => {
  while (document.body.dataset.drawn === undefined && !problems.length) await new Promise((go) => setTimeout(go, 50));
  const button = document.querySelector("[data-isolate]");
  const before = state();
  button.click();
  await new Promise((go) => setTimeout(go, 500));
  const during = state();
  button.click();
  await new Promise((go) => setTimeout(go, 500));
  parent.postMessage({ before, during, after: state(), problems }, "*");
};
wait();
</script>"""
FRAMES = """<!DOCTYPE html><meta charset="utf-8">
<iframe src="probe.html" style="border:0;width:1400px;height:900px"></iframe>
<iframe src="probe.html" style="border:0;width:400px;height:900px"></iframe><pre id="found"></pre>
<script>
const found = [];
addEventListener("message", (event) => {
  found.push(event.data);
  document.getElementById("found").textContent = encodeURIComponent(JSON.stringify(found));
});
</script>"""

needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


def opened(page_path, folder):
    """What the page looks like from inside, at each width."""
    content, _, end = page_path.read_text(encoding="utf-8").rpartition("</body>")  # the chart library names it too
    probe = f"{content.replace('<style>', f'{LISTEN}<style>', 1)}{PROBE}</body>{end}"
    (folder / "probe.html").write_text(probe, encoding="utf-8")
    (folder / "frames.html").write_text(FRAMES, encoding="utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", (folder / "frames.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert found, done.stdout[-2000:]
    return {entry["before"]["width"]: entry for entry in json.loads(unquote(found[1]))}


def test_the_overfitting_figure_says_what_early_stopping_gives(rich):
    text = (rich.path.parent / "report.md").read_text(encoding="utf-8")
    assert "Stopped at their least validation loss, these runs have a mean validation error of: sgd " in text


def test_words_and_symbols_of_the_page_are_those_of_the_verdicts(rich):
    stored = [
        entry["verdict"] for entry in json.loads(rich.path.with_name("verdicts.json").read_text(encoding="utf-8"))
    ]
    page = rich.path.read_text(encoding="utf-8")
    table, rest = page.split('<table class="overview">')[1].split("</table>", 1)
    badge = re.compile(r'class="verdict [a-z-]+"[^>]*><b aria-hidden="true">(.)</b> ([A-Z ]+)<')
    assert [word for _, word in badge.findall(table)] == stored
    assert [word for _, word in badge.findall("".join(rest.split('<table class="verdicts">')[1:]))] == stored
    assert len({symbol for symbol, _ in badge.findall(table)}) == len(set(stored)) >= 5


def test_the_methods_say_what_was_judged_and_how(rich):
    text = " ".join(rich.path.with_name("report.md").read_text(encoding="utf-8").split())
    claims_hash = parse_claims(packaged_text(), VOCABULARY).claims_hash
    for fact in (
        f"The claims (hash {claims_hash}) were stored with the rows when the study began",
        "converges faster (6 claims)",
        "this is look 1",
        "sign-flip test",
        "From 12 pairs no two-sided p-value can be below 4.88e−4",
        "symmetric",
        "not the sampling of the images",
        "there is an interval and no such test: for the time per step it is that of a median",
        "A diverged run scores its worst: the whole budget for steps to the targets",
        "the whole budget for steps to the targets and 100% for test error",
        "It has no swing of the step losses at equal training loss and no gap at equal training loss",
        "in is more stable, overfits less and is less sensitive, which it would win",
    ):
        assert fact in text, fact
    assert "tests no claim" not in text


def test_the_methods_admit_claims_that_came_late(full):
    text = full.path.with_name("report.md").read_text(encoding="utf-8")
    assert "were not fixed before the study" in text
    assert "nothing was tested" in text


@pytest.fixture(scope="module")
def seen(full, tmp_path_factory):
    return opened(full.path, tmp_path_factory.mktemp("browser"))


@needs_browser
def test_every_chart_is_drawn_without_errors_and_fits_desk_and_phone(seen):
    assert set(seen) == {1400, 400}
    for entry in seen.values():
        assert entry["problems"] == []
        assert entry["before"]["panels"] == entry["before"]["drawn"] > 10
        assert entry["before"]["overflow"] == 0
        assert entry["before"]["wide"] == 0


@pytest.fixture(scope="module")
def seen_rich(rich, tmp_path_factory):
    return opened(rich.path, tmp_path_factory.mktemp("browser_rich"))


@needs_browser
def test_verdicts_are_seen_as_stored_on_desk_and_phone(rich, seen_rich):
    entries = json.loads(rich.path.with_name("verdicts.json").read_text(encoding="utf-8"))
    stored = [entry["verdict"] for entry in entries]
    assert len(stored) == 36
    assert set(seen_rich) == {1400, 400}
    for entry in seen_rich.values():
        assert entry["before"]["overview"] == stored
        assert entry["before"]["verdicts"] == stored
        assert entry["before"]["cut"] == 0


@needs_browser
def test_the_matrix_of_verdicts_fits_the_first_screen_of_a_desk(seen_rich):
    assert 0 < seen_rich[1400]["before"]["overviewEnd"] < 900


@needs_browser
def test_every_chart_of_every_question_is_drawn_and_can_be_isolated(seen_rich):
    for entry in seen_rich.values():
        assert entry["problems"] == []
        assert entry["before"]["panels"] == entry["before"]["drawn"] > 40
        assert entry["before"]["overflow"] == entry["before"]["wide"] == 0
        assert (entry["before"]["hidden"], entry["before"]["faint"]) == (0, 0)
        assert entry["during"]["hidden"] > 0
        assert entry["during"]["faint"] > entry["before"]["panels"]
        assert (entry["after"]["hidden"], entry["after"]["faint"]) == (0, 0)


@needs_browser
def test_a_comparison_is_drawn_without_errors_and_fits_desk_and_phone(ledger_dir, repeated_dir, tmp_path):
    for entry in opened(write_comparison((ledger_dir, repeated_dir), tmp_path), tmp_path).values():
        assert entry["problems"] == []
        assert entry["before"]["panels"] == entry["before"]["drawn"] == 1
        assert entry["before"]["overflow"] == entry["before"]["wide"] == 0
        assert entry["before"]["faint"] == entry["after"]["faint"] == 0
        assert entry["during"]["faint"] > 0


@needs_browser
def test_a_page_with_repeats_fits_desk_and_phone(repeated_dir, tmp_path):
    for entry in opened(write_report(repeated_dir, tmp_path).path, tmp_path).values():
        assert entry["problems"] == []
        assert entry["before"]["overflow"] == 0


@needs_browser
def test_a_click_on_a_name_isolates_it_and_a_second_click_shows_all(seen):
    for entry in seen.values():
        assert (entry["before"]["hidden"], entry["before"]["faint"]) == (0, 0)
        assert entry["during"]["hidden"] > 0
        assert entry["during"]["faint"] > 0
        assert (entry["after"]["hidden"], entry["after"]["faint"]) == (0, 0)


@needs_browser
def test_hostile_names_stay_text(synthetic, tmp_path):
    hostile = "<img src=x onerror=alert(1)></script>\n'\"🙂" + "long" * 30
    optimizers = {hostile: synthetic().optimizers["momentum"], "sgd": synthetic().optimizers["sgd"]}
    report = write_report(synthetic(num_trials=3, optimizers=optimizers).write(tmp_path / "study"))
    for entry in opened(report.path, tmp_path).values():
        assert entry["problems"] == []
        assert entry["before"]["panels"] == entry["before"]["drawn"]
        assert entry["before"]["overflow"] == 0


REAL = {
    "default": ("--trials", "3", "--train-images", "100", "--epochs", "4"),
    "full CIFAR-10": (
        *("--dataset", "cifar10", "--data-dir", os.environ.get("CIFAR10_DIR", ""), "--optimizers", "sgd,langevin"),
        *("--trials", "2", "--epochs", "1", "--confirm-seeds", "6", "--no-sweep", "--no-timing"),
        *("--train-images", "5000"),
    ),
}


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_the_report_of_a_real_study_is_drawn_and_says_what_is_stored(name, tmp_path):
    if name == "full CIFAR-10" and "CIFAR10_DIR" not in os.environ:
        pytest.skip("CIFAR10_DIR does not say where the full CIFAR-10 is")
    done = subprocess.run(
        [sys.executable, "-m", "study.run", "--search", "optuna", "--repeats", "1", *REAL[name], "--output", "kept"],
        cwd=tmp_path, env={**os.environ, "RAY_worker_niceness": "0"}, check=False, timeout=900,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = tmp_path / "kept" / "report" / "report.html"
    stored = [entry["verdict"] for entry in json.loads(page.with_name("verdicts.json").read_text(encoding="utf-8"))]
    assert f"Of {len(stored) - stored.count('NOT TESTED')} claims: " in done.stdout
    if name == "full CIFAR-10":
        study = json.loads((tmp_path / "kept" / "study.json").read_text(encoding="utf-8"))
        assert study["identity"]["num_test_images"] == 10_000
        trials = pl.read_parquet(tmp_path / "kept" / "trials" / "*.parquet")
        assert {len(bits) for bits in trials.filter(phase="confirm")["test_correct"]} == {1250}
    for entry in opened(page, tmp_path).values():
        assert entry["problems"] == []
        assert entry["before"]["panels"] == entry["before"]["drawn"] > 10
        assert entry["before"]["overflow"] == entry["before"]["wide"] == entry["before"]["cut"] == 0
        assert entry["before"]["verdicts"] == [word for word in stored if word != "NOT TESTED"]
        assert entry["during"]["faint"] > 0
        assert entry["after"]["faint"] == 0
