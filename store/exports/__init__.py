"""Runs out of the store: data sets, spans, bundles (which come in again), nothing secret in them."""
