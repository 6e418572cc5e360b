"""How a chatbot is reached: one backend a module."""
