"""The change of one metric: values, interval, p-value, the judge's errors."""
