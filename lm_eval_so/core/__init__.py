"""What stages share: records, config, backends, asking, statistics, words."""
