# SPDX-License-Identifier: Apache-2.0
"""The errors that Amazon Personalize's models name, and the reasons for which jobs end in CREATE FAILED."""


class ServiceError(Exception):
    """An error that a caller sees: `code` goes on the wire, `status` is the HTTP status of the REST services."""

    code: str
    status: int

    def __init_subclass__(cls, status: int = 400, code: str = "") -> None:
        cls.code, cls.status = code or f"{cls.__name__}Exception", status

    def __init__(self, message: str, logged: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.logged = logged or message
        """The message for the log, where no value of a request may stand."""


class InvalidInput(ServiceError):
    """The request breaks a constraint of its model or a rule of the service."""


class ResourceNotFound(ServiceError, status=404):
    """No resource has this ARN, name or id."""


class ResourceInUse(ServiceError, status=409):
    """The resource's state, or something that depends on it, does not allow this now."""


class ResourceAlreadyExists(ServiceError):
    """Another resource has this name."""


class LimitExceeded(ServiceError):
    """A quota of the account, region or dataset group is used up."""


class InvalidNextToken(ServiceError):
    """The page token does not come from this list."""


class TooManyTags(ServiceError):
    """More than 50 tags on one resource."""


class TooManyTagKeys(ServiceError):
    """More tag keys to remove than a resource can have."""


class NotBuilt(ServiceError, status=501, code="NotImplementedByEngine"):
    """Amazon Personalize can do this; this engine cannot. Without `--strict` a caller sees InvalidInput."""


class UnknownOperation(ServiceError, status=404):
    """No such target or path in any of the three services."""


class MalformedBody(ServiceError, code="SerializationException"):
    """The body is not a JSON object."""


class MissingToken(ServiceError, status=403, code="MissingAuthenticationTokenException"):
    """The request is not signed."""


class AccessDenied(ServiceError, status=403):
    """No policy of the caller's role allows this; what is not REST says 400."""


class BodyTooLarge(ServiceError, status=413, code="RequestEntityTooLargeException"):
    """The body is over the limit of a request."""


class InternalFailure(ServiceError, status=500, code="InternalFailure"):
    """A bug of this engine; its log says more."""


class StorageFailed(ServiceError, status=503, code="ServiceUnavailable"):
    """The data folder takes no more data: what was acknowledged stays, and this change was not made."""


class ImportRefused(Exception):
    """An import job ends in CREATE FAILED; the text is its failureReason."""


class TrainingRefused(Exception):
    """A solution version ends in CREATE FAILED; the text is its failureReason."""


class JobRefused(Exception):
    """An export, batch or deletion job fails; the text is its failureReason."""

    @classmethod
    def since(cls, refused: ImportRefused, reason: str) -> "JobRefused":
        """Refuse a job whose input was refused, with what the log tells of that."""
        made = cls(reason)
        for note in getattr(refused, "__notes__", ()):
            made.add_note(note)
        return made


class WorkerLost(Exception):
    """The worker process died at a job, and again at its second attempt; the text is the job's failureReason."""
