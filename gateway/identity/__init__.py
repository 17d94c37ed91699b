"""Who calls, how that is known, and until when. Everything else asks for a `Principal` and not how it came about."""
