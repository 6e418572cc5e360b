"""One module for each tool whose results can be read."""
