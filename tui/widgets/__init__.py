"""Widgets that draw text from outside literally; screens use these and no others for it."""
