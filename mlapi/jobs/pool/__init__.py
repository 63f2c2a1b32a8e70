"""Tasks, each in a process of its own that can be ended: the pool, and how workers ask it.

`server` queues them and starts processes, in one process for all workers; `client` asks it. Neither knows
what a task is: `mlapi.server.pool_process` says what a child does.
"""
