"""The terminal workbench and the command line: they show everything and own nothing."""
