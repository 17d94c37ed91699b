"""The front: accepts jobs, answers what became of them, and streams it while it happens. Does no image work."""
