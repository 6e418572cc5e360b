"""What plugin authors need to test a backend or a metric."""
