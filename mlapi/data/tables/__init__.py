"""CSV files, and what the words in them mean."""
