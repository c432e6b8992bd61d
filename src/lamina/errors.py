"""The one family of errors. Each message says what was wrong, with which value, and what to do next."""

from __future__ import annotations


class LaminaError(Exception):
    """Base of every error this library raises on purpose.

    >>> issubclass(InputError, LaminaError) and issubclass(InputError, ValueError)
    True
    """


class InputError(LaminaError, ValueError):
    """A value that was handed in is refused; nothing was written."""


class ConsentError(LaminaError):
    """Somebody has refused what was asked for (see `Memory.consent`); nothing was done."""


class NotFoundError(LaminaError, KeyError):
    """No item, scope or file has the given name."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0]) if self.args else ""


class ConfigError(LaminaError, ValueError):
    """A setting (environment, TOML file, keyword) is unknown or out of range."""


class StateError(LaminaError):
    """What is asked for has not begun yet, or is over; the message says what to call first."""


class MissingExtraError(LaminaError, ImportError):
    """An optional part of the library needs packages that are not installed.

    >>> print(MissingExtraError.for_extra("models", "the OpenAI-compatible client", "httpx"))
    the OpenAI-compatible client needs the package 'httpx': pip install "lamina[models]"
    """

    @classmethod
    def for_extra(cls, extra: str, what: str, package: str) -> MissingExtraError:
        """The error for `what`, which needs `package` from the extra of this name."""
        return cls(f"{what} needs the package '{package}': pip install \"lamina[{extra}]\"")


class StoreError(LaminaError):
    """Something is wrong with the store file itself."""


class NotADatabaseError(StoreError):
    """The file exists and is not a Lamina store (or is damaged beyond its header)."""


class WrongKeyError(StoreError):
    """The key does not fit the file, or the file is not encrypted."""


class SchemaError(StoreError):
    """The store was written by a newer version of the library, or its schema is not ours."""


class ReadOnlyError(StoreError):
    """A write was asked of a store that can only be read."""


class StoreFullError(StoreError):
    """The disk (or the page limit set on the store) is full; the write was rolled back whole."""


class StoreBusyError(StoreError):
    """Another process held the write lock for longer than the configured patience."""


class CorruptStoreError(StoreError):
    """The database engine reports damage; `lamina doctor` says what can be mended."""


class ClosedError(StoreError):
    """The memory was closed before this call."""


class EmbedderMismatchError(StoreError):
    """The store's vectors come from another embedder than the one it was opened with."""


class VectorError(InputError):
    """A vector has the wrong dimension, or contains NaN or infinity."""


class TransferError(LaminaError, ValueError):
    """An export, a backup or an import file is malformed; nothing of it was written."""


class ModelError(LaminaError):
    """An embedder or a language model failed after its retries; the stage can be run again."""


class ModelOutputError(ModelError):
    """A language model answered, but not in the form that was asked for."""


class BudgetError(InputError):
    """A budget is negative, or smaller than the smallest thing that could be returned."""


class Cancelled(LaminaError):
    """The caller cancelled a long piece of work; what was finished is kept and it can be resumed."""
