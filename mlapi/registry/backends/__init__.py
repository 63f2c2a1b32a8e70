"""Where models are kept: a folder of this machine, or a bucket with a copy of it here."""
