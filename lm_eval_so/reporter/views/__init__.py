"""Views: numbers formatted, cases picked, texts chosen, for reports and comments."""
