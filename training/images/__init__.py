"""The training on images: files -> arrays of pixels -> a fitted estimator -> a version."""
