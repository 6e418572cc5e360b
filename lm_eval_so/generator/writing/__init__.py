"""Tests written from documents: with a model, or look-ups without one."""
