"""MiniWoB++: small pages with one task each, N of them as frames of one page in a real browser."""
