"""Measurements, drills and demonstrations of the whole product; nothing else imports them but their tests."""
