"""Statistics on the standard library, one family a module; each formula with its source."""
