"""The plan of a run: `selection.py` chooses samples and folder, `jobs.py` makes the rows, `cost.py` prices them."""
