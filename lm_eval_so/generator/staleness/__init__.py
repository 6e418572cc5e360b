"""Tests held against their sources: which of them no longer fit."""
