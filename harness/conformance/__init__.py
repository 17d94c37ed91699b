"""One scenario for clients in every language: runs them against a mesh, and compares what they print."""
