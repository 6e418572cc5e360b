"""Rules of the base: what decides on a pull request is not what it brings."""
