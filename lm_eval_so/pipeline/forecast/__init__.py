"""The forecast of a gate: `answers` finds what is known, `ask` asks what is missing, `forecast` puts it together."""
