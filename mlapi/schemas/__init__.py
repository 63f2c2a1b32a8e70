"""Plain data <-> checked requests and answers, by marshmallow. Knows nothing of Flask."""
