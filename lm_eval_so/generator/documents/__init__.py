"""Documents of a team: files of any format to blocks, one text and units."""
