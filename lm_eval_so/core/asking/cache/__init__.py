"""The cache of answers: the same request is not paid for twice."""
