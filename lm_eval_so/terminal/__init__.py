"""Everything that faces a person or a shell: commands, sessions, progress and exit codes."""
