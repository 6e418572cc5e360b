"""Answers: status, cost and finish reason, without secrets; JSON in answers."""
