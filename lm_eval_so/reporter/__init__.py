"""Records to text that people read: the command `report`."""
