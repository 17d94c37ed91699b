"""What one would use instead, written as its documentation says. `pip install .[bench]` brings the libraries."""
