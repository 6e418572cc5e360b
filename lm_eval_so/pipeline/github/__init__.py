"""What an event of GitHub adds: where the baseline is read, and what is told there."""
