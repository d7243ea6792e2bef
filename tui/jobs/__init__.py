"""Jobs as the screens show them: curves, cells, fields of a recipe; plain data, no widgets."""
