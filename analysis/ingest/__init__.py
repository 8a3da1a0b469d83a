"""Other people's results as a ledger: flat tables, folders of Ray Tune, storages of Optuna.

Each file of `sources/` turns what it finds into `SourceRun`s; the rest is the same for all: outcomes (`runs.py`), keys
(`assemble.py`), files (`write.py`). Nothing is ever unpickled, and nothing of a source is changed.
"""
