"""The model card: a page, its plots, and no figure of its own."""
