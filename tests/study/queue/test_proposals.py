"""A search algorithm that answers badly is refused before anything of its answer is trained."""

import math
import sys

import pytest

from study.queue.proposals import ask
from study.search import Proposal, Question, SearchAlgorithm
from trainables.spec import Hyperparameter

PLANE = {
    "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
    "momentum": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
}
PUBLISHED = {"learning_rate": 0.01, "momentum": 0.9}
POINT = {"learning_rate": 0.01, "momentum": 0.5}


def asked(answer):
    def propose(question):
        del question
        return answer() if callable(answer) else answer

    question = Question(number=3, space=PLANE, published=PUBLISHED, seed=0)
    return ask(SearchAlgorithm(propose=propose), question)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("learning_rate", 0.1), r"must propose a Proposal, got \('learning_rate', 0\.1\)\."),
        (None, r"must propose a Proposal, got None\."),
        (Proposal(POINT, "wild", "mine"), r"of phase published or explore or exploit or grid, got 'wild'\."),
        (Proposal(POINT, "confirm", "mine"), r"of phase published or explore or exploit or grid, got 'confirm'\."),
        (Proposal({"momentum": 0.5}, "explore", "mine"), r"a value of each of learning_rate, momentum, got \{.*\}\."),
        (Proposal({**POINT, "x": 1.0}, "explore", "mine"), r"a value of each of learning_rate, momentum, got \{.*\}\."),
        (Proposal("point", "explore", "mine"), r"a value of each of learning_rate, momentum, got 'point'\."),
        (Proposal({**POINT, "momentum": math.nan}, "explore", "mine"), r"finite numbers, got momentum=nan\."),
        (Proposal({**POINT, "momentum": math.inf}, "grid", "mine"), r"finite numbers, got momentum=inf\."),
        (Proposal({**POINT, "momentum": "0.5"}, "explore", "mine"), r"finite numbers, got momentum='0\.5'\."),
        (Proposal({**POINT, "momentum": True}, "explore", "mine"), r"finite numbers, got momentum=True\."),
        (Proposal({**POINT, "momentum": 0.991}, "exploit", "mine"), r"momentum from 0 to 0\.99, got 0\.991\."),
        (lambda: 1 / 0, r"a point for number 3, it raises ZeroDivisionError\('division by zero'\)\."),
        (lambda: sys.exit(0), r"a point for number 3, it raises SystemExit\(0\)\."),
    ],
)
def test_a_proposal_that_no_study_can_train_is_refused(answer, message):
    with pytest.raises(ValueError, match=rf"^The search algorithm of this study .*{message}$"):
        asked(answer)


@pytest.mark.parametrize("phase", ["published", "grid"])
def test_what_somebody_has_chosen_may_lie_outside_the_range(phase):
    proposal = Proposal({**POINT, "momentum": 0.999}, phase, "mine")
    assert asked(proposal) is proposal
