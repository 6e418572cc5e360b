"""Judges held against people: answers to label, their labels, how far both agree, what that is worth."""
