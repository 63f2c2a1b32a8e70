"""The parts of a pickle that are not plain Python: arrays, sparse matrices and trees, each rebuilt
strictly."""
