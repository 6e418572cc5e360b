"""The list of cases on the page: states, texts, and those that fit."""
