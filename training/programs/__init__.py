"""What a program or a notebook has in its hands: tables in memory, and versions that answer."""
