"""A run by workers of a cluster: claims, limits, the work on a chunk, the leader, and Ray's room."""
