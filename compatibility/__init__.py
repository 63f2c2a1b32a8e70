"""Fitted models as people make, wrap and save them, each served and compared with what it answers itself.

`make compatibility` runs it, in an environment of its own. It measures, and nobody imports it.
"""
