"""Cases that broke for good: suspects, rounds of further answers, and their effect on the verdict."""
