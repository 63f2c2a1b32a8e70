"""Estimators <-> bytes: the only room that unpickles, and only classes that are named before."""
