"""Jobs as the screens show them: curves, fields of a recipe; plain data, no widgets."""
