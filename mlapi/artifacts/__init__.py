"""One version at rest: its folder, manifest, keys and golden rows. Read with suspicion; knows no other
version."""
