"""The state of an endpoint, shared by all who ask it: limit, pace, circuit breaker, refusals."""
