"""Words that the templates draw from."""

from __future__ import annotations

LABELS = (
    *("Accept", "Decline", "Save", "Print", "Share", "Archive", "Refresh", "Upload", "Rename", "Export"),
    *("Subscribe", "Mute", "Pin", "Report"),
)
FRUITS = ("Apple", "Banana", "Cherry", "Fig", "Grape", "Kiwi", "Lemon", "Mango", "Olive", "Peach", "Plum", "Quince")
CITIES = (
    *("Aarhus", "Bergen", "Cork", "Dresden", "Evora", "Ferrara", "Ghent", "Haarlem", "Izmir", "Jena", "Krakow", "Lyon"),
    *("Malaga", "Namur", "Oulu", "Porto"),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)
NAMES = ("Agnes", "Boris", "Clara", "Diego", "Erika", "Felix", "Gita", "Hugo", "Irene", "Jonas", "Kira", "Leon")
WORDS = ("amber", "basil", "cobalt", "drift", "ember", "fjord", "glacier", "harbour", "indigo", "juniper", "kettle")
