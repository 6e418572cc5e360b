"""Where it changed: samples that have something in common, compared by themselves."""
