"""What Flask lacks or does slowly: bodies, problem documents, request ids, streams. Knows no model."""
