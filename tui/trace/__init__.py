"""A run as the screens see it: its events reduced to rows, panes, a graph, a timeline."""
