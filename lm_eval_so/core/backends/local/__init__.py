"""A small model on this machine, in this process or behind a llama-server."""
