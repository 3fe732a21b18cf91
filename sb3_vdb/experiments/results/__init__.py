"""One page of results and the tables of the study pages, made of the committed csv files."""
