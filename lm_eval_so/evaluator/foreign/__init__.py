"""Results of other evaluation tools: recognised, read, and made rows with scores."""
