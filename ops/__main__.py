"""`python -m ops`: the `crowdwatch` command, for those who start it as a process of its own."""

from ops.cli import main

if __name__ == "__main__":
    main()
