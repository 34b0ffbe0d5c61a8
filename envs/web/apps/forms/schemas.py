"""The form wizard's ten schemas."""

from __future__ import annotations

from .questions import FIRST_NAMES, LAST_NAMES, TICKED, Question, Schema

_STREETS = ("12 Mill Lane", "7 Harbour Street", "45 Station Road", "3 Oak Avenue", "88 Church Hill", "21 Garden Row")
_CITIES = ("Lisbon", "Utrecht", "Graz", "Porto", "Bergen", "Leeds", "Osaka", "Turin", "Ghent", "Malmo")
_COUNTRIES = ("Austria", "Belgium", "Italy", "Japan", "Netherlands", "Norway", "Portugal", "Sweden")
_ZIPS = ("1012 AB", "8010", "4050-123", "5003", "LS1 4DY", "530-0001", "10121", "9000", "211 20")


def _text(name: str, label: str, choices: tuple[str, ...], required: bool = True) -> Question:
    return Question(name=name, label=label, kind="text", choices=choices, required=required)


def _email(name: str = "email", label: str = "E-mail", required: bool = True) -> Question:
    return Question(name=name, label=label, kind="email", required=required)


def _phone(name: str = "phone", label: str = "Phone", required: bool = True) -> Question:
    return Question(name=name, label=label, kind="phone", required=required)


def _date(name: str, label: str, low: int, high: int, after: str = "") -> Question:
    return Question(name=name, label=label, kind="date", low=low, high=high, after=after)


def _number(name: str, label: str, low: int, high: int, required: bool = True) -> Question:
    return Question(name=name, label=label, kind="number", low=low, high=high, required=required)


def _choice(name: str, label: str, choices: tuple[str, ...], required: bool = True) -> Question:
    return Question(name=name, label=label, kind="select", choices=choices, required=required)


def _tick(name: str, label: str, required: bool = False, default: str = "") -> Question:
    return Question(name=name, label=label, kind="checkbox", required=required, default=default)


def _area(name: str, label: str, choices: tuple[str, ...], required: bool = False) -> Question:
    return Question(name=name, label=label, kind="textarea", choices=choices, required=required)


_NAME = (_text("first_name", "First name", FIRST_NAMES), _text("last_name", "Last name", LAST_NAMES))
_ADDRESS = (
    _text("street", "Street", _STREETS),
    _text("city", "City", _CITIES),
    _text("postcode", "Postcode", _ZIPS),
    _choice("country", "Country", _COUNTRIES),
)
_TERMS = _tick("terms", "I accept the terms", required=True)
_OFFERS = _tick("offers", "Send me offers", default=TICKED)

SCHEMAS: tuple[Schema, ...] = (
    Schema(
        "Registration",
        (
            ("About you", (*_NAME, _email(), _phone(required=False))),
            (
                "Your account",
                (
                    _text(
                        "user_name", "User name", ("night_owl", "paper.kite", "tin-drum", "blue_heron", "slow.river")
                    ),
                    _choice("language", "Language", ("Dutch", "English", "Italian", "Japanese", "Portuguese")),
                    _OFFERS,
                    _TERMS,
                ),
            ),
        ),
    ),
    Schema(
        "Job application",
        (
            ("Applicant", (*_NAME, _email(), _phone())),
            (
                "Position",
                (
                    _choice("position", "Position", ("Accountant", "Baker", "Nurse", "Welder", "Web developer")),
                    _choice("hours", "Working hours", ("Full time", "Part time", "Weekends")),
                    _date("start", "First day of work", 30, 200),
                    _number("salary", "Salary wanted per month", 1200, 6500, required=False),
                ),
            ),
            (
                "Background",
                (
                    _number("experience", "Years of experience", 0, 40),
                    _choice("degree", "Highest degree", ("None", "School", "Bachelor", "Master", "Doctorate")),
                    _area(
                        "motivation",
                        "Why do you apply?",
                        ("I want to learn from your team.", "I moved to your town.", "I like early mornings."),
                    ),
                    _tick("licence", "I have a driving licence"),
                ),
            ),
        ),
    ),
    Schema(
        "Insurance claim",
        (
            ("Policy", (_text("policy", "Policy number", ("HX-20417", "KR-88120", "PZ-51093", "TB-30777")), *_NAME)),
            (
                "What happened",
                (
                    _choice("damage", "Kind of damage", ("Fire", "Glass", "Storm", "Theft", "Water")),
                    _date("happened", "Date of the damage", 0, 150),
                    _area(
                        "account",
                        "Describe the damage",
                        (
                            "A pipe burst under the sink.",
                            "The window broke in the storm.",
                            "My bicycle was taken from the yard.",
                        ),
                        required=True,
                    ),
                ),
            ),
            (
                "Amount and contact",
                (
                    _number("amount", "Amount claimed in euros", 50, 20_000),
                    _choice("refund", "Refund by", ("Bank transfer", "Cheque", "Repair shop")),
                    _phone(),
                    _tick("police", "The police were told"),
                ),
            ),
        ),
    ),
    Schema(
        "Travel booking",
        (
            (
                "Journey",
                (
                    _choice("origin", "From", ("Bergen", "Ghent", "Graz", "Leeds", "Turin")),
                    _choice("destination", "To", ("Lisbon", "Malmo", "Osaka", "Porto", "Utrecht")),
                    _date("departure", "Departure", 20, 300),
                    _date("return", "Return", 1, 30, after="departure"),
                ),
            ),
            (
                "Travellers",
                (
                    _number("adults", "Adults", 1, 9),
                    _number("children", "Children", 0, 6, required=False),
                    _choice("cabin", "Class", ("Economy", "Business", "First")),
                ),
            ),
            ("Contact", (*_NAME, _email())),
            (
                "Extras",
                (
                    _choice("meal", "Meal", ("No meal", "Standard", "Vegan", "Halal")),
                    _tick("bicycle", "I bring a bicycle"),
                    _tick("insurance", "Add travel insurance", default=TICKED),
                    _TERMS,
                ),
            ),
        ),
    ),
    Schema(
        "Library card",
        (
            ("Reader", (*_NAME, _date("since", "Card valid from", 0, 60))),
            ("Address", _ADDRESS),
            (
                "Card",
                (
                    _choice("card", "Kind of card", ("Adult", "Child", "Student")),
                    _email(required=False),
                    _tick("reminders", "Remind me by e-mail"),
                    _TERMS,
                ),
            ),
        ),
    ),
    Schema(
        "Conference registration",
        (
            (
                "Attendee",
                (*_NAME, _email(), _text("company", "Organisation", ("Aldine", "Borealis", "Fulcrum"), False)),
            ),
            (
                "Programme",
                (
                    _choice("ticket", "Ticket", ("Regular", "Student", "Speaker")),
                    _choice("workshop", "Workshop", ("Compilers", "Databases", "Graphics", "Robotics", "Typography")),
                    _choice("shirt", "T-shirt size", ("S", "M", "L", "XL"), required=False),
                    _tick("dinner", "I come to the dinner"),
                ),
            ),
        ),
    ),
    Schema(
        "Support request",
        (
            (
                "Device",
                (
                    _choice("device", "Device", ("Camera", "Laptop", "Phone", "Printer", "Router")),
                    _text("serial", "Serial number", ("A1-4402-X", "C7-9310-Q", "D3-1187-Z", "F9-5526-M")),
                    _date("bought", "Bought on", 0, 200),
                ),
            ),
            (
                "Problem",
                (
                    _choice("urgency", "Urgency", ("Low", "Normal", "High")),
                    _area(
                        "problem",
                        "What is wrong?",
                        (
                            "It does not switch on.",
                            "It is very loud.",
                            "The screen stays dark.",
                            "It loses the network.",
                        ),
                        required=True,
                    ),
                    _tick("backup", "I have a backup"),
                ),
            ),
            ("Contact", (_text("full_name", "Full name", ("Elif Kaya", "Ivo Berg", "Hana Ito")), _email(), _phone())),
        ),
    ),
    Schema(
        "Rental application",
        (
            ("Tenant", (*_NAME, _phone(), _email(required=False))),
            (
                "Flat",
                (
                    _number("rooms", "Rooms", 1, 6),
                    _number("rent", "Highest rent per month", 300, 3000),
                    _date("move_in", "Move in on", 15, 240),
                    _choice("floor", "Floor", ("Ground", "Middle", "Top"), required=False),
                ),
            ),
            (
                "Household",
                (
                    _number("people", "People in the household", 1, 8),
                    _choice("pets", "Pets", ("None", "Cat", "Dog")),
                    _tick("smoker", "Somebody smokes"),
                    _area("remarks", "Remarks", ("We need a lift.", "A balcony would be nice.", "We play the piano.")),
                ),
            ),
        ),
    ),
    Schema(
        "Clinic appointment",
        (
            ("Patient", (*_NAME, _number("age", "Age", 0, 110), _phone())),
            (
                "Appointment",
                (
                    _choice("department", "Department", ("Dentistry", "Dermatology", "Eye clinic", "Orthopaedics")),
                    _date("day", "Day", 1, 90),
                    _choice("time", "Time", ("Morning", "Noon", "Afternoon")),
                    _tick("first", "This is my first visit"),
                    _area(
                        "complaint", "Complaint", ("Toothache.", "A rash on the arm.", "Blurred sight.", "Sore knee.")
                    ),
                ),
            ),
        ),
    ),
    Schema(
        "Parcel shipment",
        (
            ("Sender", (_text("sender", "Sender", ("Aldine", "Borealis", "Fulcrum", "Quill & Co")), _email())),
            ("Recipient", (_text("recipient", "Recipient", ("Leila Haas", "Jonas Gupta", "Keiko Castro")), *_ADDRESS)),
            (
                "Parcel",
                (
                    _number("weight", "Weight in grams", 50, 30_000),
                    _choice("service", "Service", ("Standard", "Express", "Overnight")),
                    _date("pick_up", "Pick up on", 1, 45),
                ),
            ),
            (
                "Options",
                (
                    _number("value", "Value insured in euros", 10, 5000, required=False),
                    _tick("fragile", "Fragile"),
                    _tick("signature", "Signature on delivery"),
                    _TERMS,
                ),
            ),
        ),
    ),
)
"""All schemas, of two to four pages."""
