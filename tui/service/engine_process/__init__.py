"""Runs that outlive the screen: engines in processes of their own, spoken to over Unix sockets."""
