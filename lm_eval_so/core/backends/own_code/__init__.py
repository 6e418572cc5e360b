"""Chatbots that are the user's own code: a program, or a Python function."""
