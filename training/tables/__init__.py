"""A path, a URL or a name -> a table. Decides nothing about its columns."""
