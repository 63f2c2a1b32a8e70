"""Which algorithm, with which parameters: compared and searched within a time."""
