"""Trains recipes into the versions that mlapi serves. Imports floors 0 and 1 of mlapi, never the web."""
