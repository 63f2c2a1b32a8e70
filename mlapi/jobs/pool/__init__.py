"""Fits and jobs, each in a process of its own that can be ended: the pool, and how it is asked.

`server` keeps them, in one process for all workers; `client` asks it; `jobs` runs those that wait on disk.
None knows what a fit is: `mlapi.server.pool_process` says what a child does.
"""
