"""Bytes <-> plain data, by media type. Knows nothing of Flask or of models."""
