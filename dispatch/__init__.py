"""Who works, and what happened: the work queue, the event log, and the life cycle that the log is folded into."""
