"""The HTTP interface for programs: one blueprint a file, made from the services that it calls."""
