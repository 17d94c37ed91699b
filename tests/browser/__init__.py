"""The page in a real browser. A package, so that its installations and its browser are gone when its tests are."""
