"""Rows as clients send them -> a batch, or why not."""
