"""Reading of responses: paths, whole responses and streams."""
