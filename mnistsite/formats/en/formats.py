"""How the admin writes days and times: to be sorted by eye, and in the way of no one country."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
