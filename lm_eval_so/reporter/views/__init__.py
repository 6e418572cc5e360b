"""What reports and comments show: numbers formatted, cases picked, texts chosen."""
