"""Fits and jobs, each in a process of its own that can be ended: the pool, and how it is asked.

`server` is the process that keeps them, one for all workers; `client` asks it. Neither knows what a fit is:
`tasks` says by name what a child does.
"""
