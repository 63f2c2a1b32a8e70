"""What answers in a fitted estimator's place: plain numbers and numpy, without scikit-learn.

Made of fitted estimators by `mlapi.inference.compiling`, and stored with a version, so that a server needs
nothing else: the names of these classes, and what they keep, are part of the format
(`mlapi.inference.loading`).
"""
