"""Scores of answers and their report: the commands `evaluate` and `calibrate`."""
