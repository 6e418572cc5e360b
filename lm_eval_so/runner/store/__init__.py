"""A run on disk: its folder and log, the recorder that writes them, and the rules of resuming."""
