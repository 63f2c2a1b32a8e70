"""The path for pictures: files -> pixels -> a network -> a version."""
