"""Videos: one process decodes each, the detectors look at its frames as at any picture, and the log is told as they go."""
