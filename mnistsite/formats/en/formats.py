"""How the admin writes days, times and, where figures.number does not, counts.

Days are to be sorted by eye, and in the way of no one country.
"""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
