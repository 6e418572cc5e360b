"""What all who ask one endpoint share: its limit, pace, circuit breaker and refusals."""
