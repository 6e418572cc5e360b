"""What is to be asked: samples, shards, jobs, and what keeps samples from being asked."""
