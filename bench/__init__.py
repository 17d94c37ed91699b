"""What the product costs, always beside a limit that is measured in the same run. See README.md."""
