"""What asking came to: a response or an error, why it ended, without secrets."""
