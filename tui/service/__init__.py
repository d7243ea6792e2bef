"""The workbench without a terminal: what screens, commands and engine processes share."""
