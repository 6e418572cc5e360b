"""The columns of a source made into samples."""
