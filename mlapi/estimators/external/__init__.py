"""Models in other libraries' formats, as scikit-learn's estimators: read here, and fitted elsewhere."""
