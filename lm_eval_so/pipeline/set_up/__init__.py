"""A first config from what is there: the files, a model, the chatbot's address."""
