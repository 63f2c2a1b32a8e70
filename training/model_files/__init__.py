"""Model files of any library, as it writes them -> fitted estimators. Publishes nothing."""
