"""What people took out of the gate for a while: the quarantine and accept files."""
