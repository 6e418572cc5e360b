"""HTTP for backends: the client, its errors in words without secrets, and the proxy of a request."""
