"""What operators see of a process: its metrics, and its part of traces. Gateway and worker use it, each for itself."""
