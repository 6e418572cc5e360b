"""Ways to a chatbot: a base, and one file or folder a backend."""
