"""What a fitted estimator of each class must say of itself before compiled code relies on it. Asks it
nothing."""
