"""All that faces a person or a shell."""
