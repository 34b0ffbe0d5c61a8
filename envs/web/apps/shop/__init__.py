"""A shop: search, filters, options, cart, checkout; buy exactly what the instruction names and have it delivered."""
