"""Tests written by a model: asked in rounds, judged by rules, held against all documents."""
