"""A form wizard: fill in several pages with given answers, mend what is refused, review and submit."""
