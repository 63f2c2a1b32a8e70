"""Tests of our own worker alone: that a slow or silent client holds no thread, that what is no request is a
problem document, that connections, memory and calls without an end are bounded. gunicorn's `gthread` does
none of that; docs/operating.md says what it does instead.
"""
