"""The parts put together: the application, gunicorn around it, the pool beside it."""
