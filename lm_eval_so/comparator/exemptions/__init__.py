"""Exemptions from the gate: the quarantine and accept files, read and applied."""
