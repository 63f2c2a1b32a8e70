"""The `mlapi` command: options, progress, and one line for each mistake. Decides nothing that a server
decides too."""
