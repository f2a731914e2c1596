"""Quietdesk takes appointments for a municipal ID programme and keeps no list of who asked."""
