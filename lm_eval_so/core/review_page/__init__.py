"""The page on which people review tests and label answers: one HTML file, no server, no network."""
