"""Any chatbot behind HTTP, described by templates and paths in the config."""
