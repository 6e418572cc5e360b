"""One job played: a single request, scripted turns or a simulated user, with tools."""
