"""GitHub's API as the Action needs it; the only place that knows PyGithub."""
