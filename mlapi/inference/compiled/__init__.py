"""What answers in a fitted estimator's place: plain numbers and numpy, without scikit-learn.

Made of fitted estimators by `mlapi.inference.compiling`, and stored with a version, so that a server needs
nothing else. The names of these classes and of their attributes, and the modules that they lie in, are a file
format (`mlapi.inference.compiled.form`): so some names are older words than those of the glossary.
"""
