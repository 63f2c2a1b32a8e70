"""gunicorn's worker of ours: a loop that reads all clients, and few threads. Nothing else knows it."""
