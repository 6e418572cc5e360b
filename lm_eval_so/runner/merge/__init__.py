"""Parts of a run that were asked apart become one run."""
