"""The records that cross process borders, as frozen dataclasses: encode, decode, errors. Pure: no I/O, no clock."""
