"""The root app and the commands that are no single stage."""
