"""Web: pages of a small app kit, as a tree, as HTML in process, or in a real browser; and MiniWoB++."""
