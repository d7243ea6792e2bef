"""Dialogs of a table: which columns it has, and a row in full."""
