"""Asking by a batch service."""
