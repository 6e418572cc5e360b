"""LM-Eval-SO: tells on the pull request whether a chatbot got worse."""
