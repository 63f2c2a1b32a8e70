"""What an operator or a user of the command has to mend: settings, keys, data, versions on disk."""

from collections.abc import Mapping

from mlapi.errors.error import MlapiError


class BrokenArtifact(MlapiError):
    """A version on disk that must not be served; the message is its reason."""

    @property
    def origin(self) -> BaseException | None:
        """The first cause that is no error of ours; None if there is none."""
        cause = self.__cause__
        while isinstance(cause, MlapiError):
            cause = cause.__cause__
        return cause

    @property
    def is_read_error(self) -> bool:
        """Whether files that are there could not be read, so that it is worth trying again.

        Wider than `is_temporary`: a file that may not be read counts too, as somebody may change that.
        """
        origin = self.origin
        return isinstance(origin, OSError) and not isinstance(origin, FileNotFoundError)


class SettingsError(MlapiError):
    """Settings that stop the start; the message lists every problem."""


class KeyProblem(MlapiError):
    """A key that cannot be read, or must not be overwritten."""


class RecipeError(MlapiError):
    """A recipe that cannot be trained as written."""


class DatasetError(MlapiError):
    """Data that cannot be read or trained on."""


class RegistrationError(MlapiError):
    """An estimator or a sample that cannot be registered."""


class ClassesNotAllowed(RegistrationError):
    """The file of an estimator names classes that the settings do not allow."""

    def __init__(self, message: str, names: Mapping[str, str]) -> None:
        """
        Args:
            names: The classes and functions by full name, and whose each is: a package and its version.
        """
        super().__init__(message)
        self.names = names
