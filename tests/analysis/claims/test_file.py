"""Claims as data: what a file may say, and what is refused."""

import re

import pytest

from analysis.claims.file import packaged_text, parse_claims, read_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

QUESTION = """
[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.02
a = ["langevin"]
b = ["sgd", "adam"]
refuted_by = "{b} is better than {a}"
"""

ON_TEST = 'metric = "test_error"\nimprovement = "difference"\n'
ON_TIME = 'metric = "seconds_per_step"\nimprovement = "within"\n'


def test_packaged_claims_are_the_five_of_the_article_and_the_final_error():
    claims = parse_claims(packaged_text(), VOCABULARY)
    assert [question.name for question in claims.questions] == [
        "converges faster", "is more stable", "overfits less", "is less sensitive", "costs little more",
        "classifies better",
    ]  # fmt: skip
    assert all(len(question.pairs) == 6 for question in claims.questions)
    assert claims.alpha == 0.05
    assert claims.datasets["cifar10"].targets == (0.30, 0.40, 0.50, 0.55, 0.60)


def test_what_a_file_says_is_what_is_claimed():
    question = parse_claims(QUESTION, VOCABULARY).questions[0]
    assert question.pairs == [("langevin", "sgd"), ("langevin", "adam")]
    assert question.effect_for("anything") == 0.02
    by_dataset = parse_claims(QUESTION.replace("0.02", "{ cifar10 = 0.01 }"), VOCABULARY).questions[0]
    assert by_dataset.effect_for("cifar10") == 0.01
    assert by_dataset.effect_for("mnist") is None


def test_every_change_of_the_text_changes_the_hash():
    """The first twelve digits of the text's SHA-256; studies that are stored hold theirs."""
    stored = parse_claims(QUESTION, VOCABULARY).claims_hash
    assert stored == "5a57b48a6081"
    for changed in (QUESTION.replace("0.02", "0.03"), f"{QUESTION}# a comment\n"):
        assert parse_claims(changed, VOCABULARY).claims_hash != stored


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test_error", "accurracy", "metric .* must be one of .*test_error.*, got 'accurracy'"),
        ('"difference"', '"quotient"', "improvement .* must be one of .*relative.*, got 'quotient'"),
        (
            '"difference"',
            '"within"',
            "'within' if and only if its metric is 'seconds_per_step', got 'within' of 'test_er",
        ),
        ("test_error", "seconds_per_step", "got 'difference' of 'seconds_per_step'"),
        (
            '"test_error"\nimprovement = "difference"',
            '"good_volume"\nimprovement = "relative"',
            "'difference' for good_v",
        ),
        (ON_TEST, f"{ON_TIME}bound = 1.1\n", "must have a batch_size if and only if"),
        (ON_TEST, f"{ON_TIME}batch_size = 100\n", "must have a bound if and only if"),
        (ON_TEST, f"{ON_TIME}bound = '1.1'\nbatch_size = 100\n", "bound .* must be above 0, .* got '1.1'"),
        (ON_TEST, f"{ON_TIME}bound = nan\nbatch_size = 100\n", "bound .* must be above 0, .* got nan"),
        (ON_TEST, f"{ON_TIME}bound = 1.1\nbatch_size = 100.5\n", "batch_size .* a whole number above 0, .* got 100.5"),
        (ON_TEST, f"{ON_TIME}bound = 1.1\nbatch_size = true\n", "batch_size .* a whole number above 0, .* got True"),
        (ON_TEST, f"{ON_TEST}batch_size = 100\n", "a batch_size if and only if its metric is 'seconds_per_step'"),
        (
            ON_TEST,
            'metric = "good_volume"\nimprovement = "within"\n',
            "'within' if and only if its metric is 'seconds_per_step', got 'within' of 'good_volume'",
        ),
        (ON_TEST, f"{ON_TEST}bound = 1.1\n", "must have a bound if and only if its improvement is 'within'"),
        (ON_TEST, f"{ON_TEST}needs_learning = 'no'\n", "needs_learning .* must be true or false, got 'no'"),
        ("0.02", "true", "at least 0"),
        ("0.02", "1" + 400 * "0", "at most 1,000,000,000"),
        ("0.02", "-0.02", "at least 0"),
        ("0.02", "nan", "at least 0"),
        ('["langevin"]', "[]", "both sides"),
        ('["langevin"]', '["sgd"]', "compares sgd with itself"),
        ('["langevin"]', '"langevin"', "must list optimizers' names"),
        ('["langevin"]', '[""]', "must list optimizers' names"),
        ("refuted_by", "refutedby", "unknown key 'refutedby'"),
        ('metric = "test_error"\n', "", "lacks metric"),
        ('name = "classifies better"', "name = 3", "name"),
        ("[[questions]]", "alpha = 0.7\n[[questions]]", r"alpha must lie between 1e-06 and 0\.5, got 0\.7"),
        ("[[questions]]", "alpha = 1e-17\n[[questions]]", "alpha must lie between 1e-06 and 0"),
        ("[[questions]]", "[questions]", "at least one"),
        ("[[questions]]", "[datasets.x]\ntargets = [0.5, 0.4]\n[[questions]]", "targets of x must increase"),
        ("[[questions]]", "[datasets.x]\ntargets = [40]\n[[questions]]", "between 0 and 1, got 40"),
        ("[[questions]]", "[datasets.x]\ntarget = [0.4]\n[[questions]]", "unknown key 'target'"),
        ("[[questions]]", "[dataset.x]\n[[questions]]", "unknown key 'dataset'"),
        ("[[questions]]", "[[questions", "line"),
        ('"test_error"', '["test_error"]', "metric of a question must be a text, got .'test_error'."),
        ('"test_error"', '" "', "metric of a question must be a text, got ' '"),
        ('"test_error"', "2020-01-01", "metric of a question must be a text, got datetime.date"),
        ('"{b} is better than {a}"', "true", "refuted_by of a question must be a text, got True"),
        ('["sgd", "adam"]', '["sgd", 3]', "b of 'classifies better' must list optimizers' names, got .'sgd', 3."),
        ('["sgd", "adam"]', '{ sgd = "adam" }', "b of 'classifies better' must list optimizers' names"),
        ("0.02", '"0.02"', "at least 0"),
        ("0.02", "[0.02]", "at least 0"),
        ("0.02", "{ cifar10 = { low = 0.02 } }", "at least 0"),
        ("0.02", "{ cifar10 = inf }", "at most 1,000,000,000"),
        ("refuted_by", 'name = "again"\nrefuted_by', "overwrite"),
        (ON_TEST, f"{ON_TIME}bound = inf\nbatch_size = 100\n", "bound .* at most 1,000,000,000, got inf"),
        (ON_TEST, f"{ON_TIME}bound = 1.1\nbatch_size = 0\n", "batch_size .* a whole number above 0, .* got 0"),
        (ON_TEST, f"{ON_TIME}bound = 1.1\nbatch_size = 1{400 * '0'}\n", "batch_size .* at most 1,000,000,000, got 1"),
        ("[[questions]]", "alpha = true\n[[questions]]", "alpha must lie between 1e-06 and 0.5, got True"),
        ("[[questions]]", "alpha = nan\n[[questions]]", "alpha must lie between 1e-06 and 0.5, got nan"),
        ("[[questions]]", "alpha = '0.05'\n[[questions]]", "alpha must lie between 1e-06 and 0.5, got '0.05'"),
        ("[[questions]]", "datasets = 3\n[[questions]]", "datasets must be a table, got 3"),
        ("[[questions]]", "[datasets]\nx = 3\n[[questions]]", "datasets.x must be a table, got 3"),
        ("[[questions]]", "[datasets.x]\ntargets = 0.4\n[[questions]]", "targets of x must be a list, got 0.4"),
        ("[[questions]]", "[datasets.x]\ntargets = ['0.4']\n[[questions]]", "between 0 and 1, got '0.4'"),
        ("[[questions]]", "[datasets.x]\ntargets = [0.4, 0.4]\n[[questions]]", "targets of x must increase"),
        (
            "[[questions]]",
            "[datasets.x]\nchance_accuracy = true\n[[questions]]",
            "chance_accuracy of x must lie between",
        ),
        ("[[questions]]", "[datasets.x]\nchance_accuracy = nan\n[[questions]]", "between 0 and 1, got nan"),
    ],
)
def test_wrong_claims_are_refused_in_one_line(old, new, message, tmp_path):
    assert old in QUESTION
    path = tmp_path / "claims.toml"
    path.write_text(QUESTION.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read_claims(path, VOCABULARY)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_all_of_a_side_may_stand_among_others_on_the_other_one(tmp_path):
    path = tmp_path / "claims.toml"
    sides = re.sub(
        r"b = .*", 'b = ["sgd", "adam", "langevin"]', QUESTION.replace('["langevin"]', '["langevin", "adam"]')
    )
    path.write_text(sides, encoding="utf-8-sig")
    (question,) = read_claims(path, VOCABULARY).questions
    assert question.pairs == [("langevin", "sgd"), ("langevin", "adam"), ("adam", "sgd"), ("adam", "langevin")]
    path.write_text(sides.replace('"adam", "langevin"]', '"adam"]'), encoding="utf-8")
    with pytest.raises(ValueError, match="compares adam with itself; leave it out of a or of b, or put all of several"):
        read_claims(path, VOCABULARY)


def test_a_file_that_nobody_can_have_meant_is_refused(tmp_path):
    path = tmp_path / "claims.toml"
    for text, message in (
        (f"x = {5_000 * '['}", "must not be nested so deeply"),
        (f"{QUESTION}# {1_000_000 * 'x'}", "at most 1,000,000 characters"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_claims(path, VOCABULARY)


def test_no_question_stands_twice():
    with pytest.raises(ValueError, match="'classifies better' stands twice"):
        parse_claims(QUESTION + QUESTION, VOCABULARY)


def test_a_missing_or_unreadable_file_is_refused(tmp_path):
    (tmp_path / "picture.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.toml", "picture.toml", "."):
        with pytest.raises(ValueError, match="a file of claims is needed"):
            read_claims(tmp_path / name, VOCABULARY)


def test_names_that_nobody_knows_are_refused():
    claims = parse_claims(QUESTION, VOCABULARY)
    claims.check_names(["langevin", "sgd", "adam", "momentum"])
    with pytest.raises(ValueError, match=r"known optimizers \(langevin, sgd\), got adam; mend"):
        claims.check_names(["sgd", "langevin"])


def test_many_unknown_names_make_no_long_message():
    names = ", ".join(f'"o{number}"' for number in range(1000))
    with pytest.raises(ValueError, match=r"got o0, .*\.\.\.; mend") as refused:
        parse_claims(QUESTION.replace('"langevin"', names), VOCABULARY).check_names(["sgd", "adam"])
    assert len(str(refused.value)) < 400
