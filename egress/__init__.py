"""Reaching out to addresses that others name: the one place that decides whether an address may be reached, and reaches it."""
