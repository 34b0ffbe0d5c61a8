"""Dates and times of day."""

from __future__ import annotations

from ..problem import problem


def is_leap_year(year: int) -> bool:
    """Return whether a year of the Gregorian calendar has 366 days."""
    if year % 400 == 0:
        return True
    if year % 100 == 0:
        return False
    return year % 4 == 0


def day_of_year(year: int, month: int, day: int) -> int:
    """Return the number of a date within its year; January 1 is 1."""
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    total = day
    for index in range(month - 1):
        total += lengths[index]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if leap and month > 2:
        total += 1
    return total


def weekday(year: int, month: int, day: int) -> int:
    """Return the day of the week of a Gregorian date: 0 for Sunday to 6 for Saturday."""
    if month < 3:
        month += 12
        year -= 1
    century = year // 100
    rest = year % 100
    days = day + 13 * (month + 1) // 5 + rest + rest // 4 + century // 4 - 2 * century
    return (days + 6) % 7


def add_minutes(clock: str, minutes: int) -> str:
    """Add minutes, which may be negative, to a time of day like "23:50"; it goes round at midnight."""
    hour, minute = clock.split(":")
    total = int(hour) * 60 + int(minute) + minutes
    total %= 24 * 60
    return str(total // 60).zfill(2) + ":" + str(total % 60).zfill(2)


def format_duration(seconds: int) -> str:
    """Write a number of seconds like "1h 2m 3s"; parts that are zero are left out, but no time at all is "0s"."""
    hours = seconds // 3600
    minutes = seconds % 3600 // 60
    rest = seconds % 60
    parts = []
    if hours > 0:
        parts.append(str(hours) + "h")
    if minutes > 0:
        parts.append(str(minutes) + "m")
    if rest > 0 or not parts:
        parts.append(str(rest) + "s")
    return " ".join(parts)


PROBLEMS = (
    problem(
        is_leap_year,
        visible="""
            fourth: is_leap_year(2024) is True
            ordinary: is_leap_year(2023) is False
            century: is_leap_year(1900) is False
            four_hundred: is_leap_year(2000) is True
        """,
        hidden="""
            even: is_leap_year(2022) is False
            other_century: is_leap_year(2100) is False
            sixteen_hundred: is_leap_year(1600) is True
            after: is_leap_year(2025) is False
            eighth: is_leap_year(2008) is True
        """,
    ),
    problem(
        day_of_year,
        visible="""
            first: day_of_year(2023, 1, 1) == 1
            february: day_of_year(2023, 2, 1) == 32
            last: day_of_year(2023, 12, 31) == 365
            leap_march: day_of_year(2024, 3, 1) == 61
            century: day_of_year(1900, 3, 1) == 60
        """,
        hidden="""
            leap_february: day_of_year(2024, 2, 29) == 60
            leap_last: day_of_year(2000, 12, 31) == 366
            ordinary_march: day_of_year(2021, 3, 1) == 60
            june: day_of_year(2022, 6, 15) == 166
            leap_january: day_of_year(2024, 1, 31) == 31
        """,
    ),
    problem(
        weekday,
        visible="""
            sunday: weekday(2024, 9, 1) == 0
            saturday: weekday(2000, 1, 1) == 6
            monday: weekday(2023, 5, 15) == 1
            february: weekday(2024, 2, 29) == 4
            march: weekday(2021, 3, 1) == 1
        """,
        hidden="""
            january: weekday(1999, 1, 31) == 0
            century: weekday(1900, 12, 25) == 2
            moon: weekday(1969, 7, 20) == 0
            later: weekday(2077, 10, 23) == 6
        """,
    ),
    problem(
        add_minutes,
        visible="""
            same_hour: add_minutes("10:15", 20) == "10:35"
            next_hour: add_minutes("10:45", 30) == "11:15"
            midnight: add_minutes("23:50", 20) == "00:10"
            back: add_minutes("00:05", -10) == "23:55"
            nothing: add_minutes("07:08", 0) == "07:08"
        """,
        hidden="""
            whole_day: add_minutes("12:34", 1440) == "12:34"
            to_midnight: add_minutes("23:59", 1) == "00:00"
            back_hour: add_minutes("10:00", -1) == "09:59"
            long: add_minutes("01:01", 3000) == "03:01"
        """,
    ),
    problem(
        format_duration,
        visible="""
            all: format_duration(3723) == "1h 2m 3s"
            zero: format_duration(0) == "0s"
            minute: format_duration(60) == "1m"
            seconds: format_duration(59) == "59s"
            hour: format_duration(3600) == "1h"
        """,
        hidden="""
            no_minutes: format_duration(7205) == "2h 5s"
            last_second: format_duration(3599) == "59m 59s"
            one: format_duration(1) == "1s"
            hour_minute: format_duration(3660) == "1h 1m"
            long: format_duration(90000) == "25h"
        """,
    ),
)
"""The problems of this module."""
