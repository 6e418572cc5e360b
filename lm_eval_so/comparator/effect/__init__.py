"""What changed in one metric: values, interval, p-value, and what judges and repeats do to them."""
