"""A version that answers: loaded, proven, and by the quickest path. Knows no other version and no request."""
