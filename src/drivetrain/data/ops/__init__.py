"""Ops of pipelines, one in each file: pure functions from an item to an item, none or several."""
