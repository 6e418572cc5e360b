"""The baseline: search, eligibility, promotion, and the commands that measure it again."""
