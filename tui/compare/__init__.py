"""How comparisons are shown: cells, a report in lines, what the screen has selected."""
