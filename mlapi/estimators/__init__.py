"""What is fitted: preprocessing, and estimators by algorithm. Reads no table and answers no request."""
