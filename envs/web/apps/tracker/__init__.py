"""An issue tracker: find issues among hundreds; comment, label, assign, close or reopen them."""
