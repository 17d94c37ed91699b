"""A picture of the dashboard, with the figures of a mesh at work: python -m harness.dashboard FILE.jpg"""
