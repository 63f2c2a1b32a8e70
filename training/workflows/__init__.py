"""A training from end to end: of a table, a job, somebody's estimator, or once more."""
