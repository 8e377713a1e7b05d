"""The documentation: its pages, and what fills in the parts that are made from the code."""
