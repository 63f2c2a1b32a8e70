"""Models in formats of other libraries, as estimators of scikit-learn's. Reads no files."""
