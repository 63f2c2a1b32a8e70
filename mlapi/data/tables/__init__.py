"""CSV files, and what the texts in their cells mean: numbers, dates and times, missing values."""
