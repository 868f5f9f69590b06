"""The forms that texts of some genres have, read tolerantly: any text gives a reading, none an exception."""
