"""An admin table: filter and sort a thousand rows; edit them one by one or in bulk, or answer a question."""
