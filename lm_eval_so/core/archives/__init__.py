"""Archives of strangers, read without trusting them."""
