"""A table -> rows to train on and to test with, and all that was decided about its columns."""
