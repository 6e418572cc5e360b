"""The base of a change: its commit with the files of it, and the reports that its branch stored."""
