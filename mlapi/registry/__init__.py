"""Which versions there are, what a reference means, and how that changes. Knows nothing of HTTP."""
