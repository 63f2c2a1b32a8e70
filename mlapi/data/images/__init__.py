"""Bytes of pictures -> pixels, for training and serving alike."""
