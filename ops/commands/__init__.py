"""One file for each subcommand of `crowdwatch`; each holds a click command named `command`."""
