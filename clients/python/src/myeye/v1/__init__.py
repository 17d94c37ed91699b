"""Generated from the contracts in protos/; see scripts/generate_protos.py."""
