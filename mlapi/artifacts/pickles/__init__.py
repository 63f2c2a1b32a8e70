"""Estimators <-> bytes: the only room that pickles and unpickles, and only classes that a caller has
listed."""
