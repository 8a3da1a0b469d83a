"""The words that this package can judge: what every file of claims is read by."""

from analysis.claims.vocabulary import Vocabulary
from analysis.verdicts.improvements import IMPROVEMENTS
from analysis.verdicts.study_metrics import STUDY_METRICS

VOCABULARY = Vocabulary(improvements=IMPROVEMENTS, study_metrics=STUDY_METRICS)
