"""The page of `web` on generated figures: to develop it, to measure it, and to test it in a browser."""
