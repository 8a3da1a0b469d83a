"""What is claimed where nobody claims anything."""

import pytest

from analysis.claims.default import default_claims, is_default
from analysis.claims.file import packaged_text, parse_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

ARTICLE = parse_claims(packaged_text(), VOCABULARY)


@pytest.mark.parametrize(
    ("own", "others", "pairs"),
    [
        (["lion"], ["sgd", "adam"], [("lion", "sgd"), ("lion", "adam")]),
        (
            ["lion", "tiger"],
            ["sgd"],
            [("lion", "sgd"), ("lion", "tiger"), ("tiger", "sgd"), ("tiger", "lion")],
        ),
        (["lion", "tiger"], [], [("lion", "tiger"), ("tiger", "lion")]),
    ],
)
def test_each_optimizer_of_the_user_is_compared_with_every_other_one_by_the_questions_of_the_article(
    own, others, pairs
):
    text = default_claims(own, others)
    claims = parse_claims(text, VOCABULARY)
    assert [question.pairs for question in claims.questions] == [pairs] * len(ARTICLE.questions)
    for field in ("name", "metric", "improvement", "smallest_effect", "needs_learning", "bound", "batch_size"):
        assert [getattr(q, field) for q in claims.questions] == [getattr(q, field) for q in ARTICLE.questions]
    assert (claims.alpha, claims.datasets) == (ARTICLE.alpha, ARTICLE.datasets)
    assert is_default(text, claims.questions[0].a, claims.questions[0].b)
    assert not is_default(text.replace("0.05", "0.01"), own, others)


@pytest.mark.parametrize(("own", "others"), [([], ["sgd", "adam"]), ([], []), (["lion"], [])])
def test_without_an_optimizer_of_the_user_or_a_rival_the_claims_are_the_article_s(own, others):
    assert default_claims(own, others) == packaged_text()
