"""The one error tree. Everything that Crowdwatch raises on purpose is a `CrowdwatchError`."""


class CrowdwatchError(Exception):
    """The root of every error that Crowdwatch raises on purpose; its message is fit to be shown to a user."""


class ContractError(CrowdwatchError, ValueError):
    """A record, header or task does not have the shape that the contract asks for."""


class PictureError(CrowdwatchError, ValueError):
    """A picture cannot be used: empty, truncated, too large, or no picture at all. The message says which."""


class ModelError(CrowdwatchError, ValueError):
    """A model's cfg, weights or manifest cannot be used. The message names file, line and reason."""


class ConfigurationError(CrowdwatchError, ValueError):
    """A setting, or a combination of settings, cannot work."""


class UnreadableError(CrowdwatchError):
    """The log holds something that cannot be read, damaged or compressed in an unknown way; trying again is no help."""


class NotStorableError(CrowdwatchError):
    """The database never takes this document: it is too large, or holds what no document can."""


class UnavailableError(CrowdwatchError):
    """A server does not answer now; the same call may succeed later."""


class TooLargeError(UnavailableError):
    """A record is larger than its topic takes: nothing but a smaller record, or a larger limit, is of help."""


class NeverWrittenError(ContractError):
    """A place lies behind the end of the log."""
