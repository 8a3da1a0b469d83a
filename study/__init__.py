"""Composes a study: an equal tuning budget for every optimizer, spread over a Ray cluster."""

__version__ = "0.1.0"
