"""Parts shared by all stages: records, config, backends, asking, statistics, words."""
