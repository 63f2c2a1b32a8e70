"""Work that outlasts or outgrows a request: training jobs, and fits, in processes that can be ended."""
