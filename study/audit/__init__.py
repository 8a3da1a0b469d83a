"""The verdicts put to the test on data whose truth is known."""
