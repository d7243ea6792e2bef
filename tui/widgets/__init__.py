"""Widgets shared by the screens; all of them draw lines and none has children per item."""
