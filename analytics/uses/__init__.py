"""The uses, a module each. All are fed by tracks and visits, on the time of the pictures; none reads a clock."""
