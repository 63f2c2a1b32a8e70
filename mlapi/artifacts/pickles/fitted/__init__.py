"""What the attributes of a fitted estimator of each class must be before compiled code relies on them. Calls
none of its methods."""
