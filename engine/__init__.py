"""The engine turns a problem into a stream of events."""
