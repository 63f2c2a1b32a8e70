"""What a training hands over: the result, its golden rows, and whether it goes to production."""
