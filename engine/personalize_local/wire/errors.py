# SPDX-License-Identifier: Apache-2.0
"""The errors that Amazon Personalize's models name, and the two reasons for which work ends in CREATE FAILED."""


class ServiceError(Exception):
    """An error that a caller sees: `code` goes on the wire, `status` is the HTTP status of the REST services."""

    code: str = "InternalFailure"
    status: int = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(ServiceError):
    """The request breaks a constraint of its model or a rule of the service."""

    code = "InvalidInputException"
    status = 400


class ResourceNotFound(ServiceError):
    """No resource has this ARN, name or id."""

    code = "ResourceNotFoundException"
    status = 404


class ResourceInUse(ServiceError):
    """The resource's state, or something that depends on it, does not allow this now."""

    code = "ResourceInUseException"
    status = 409


class ResourceAlreadyExists(ServiceError):
    """Another resource has this name."""

    code = "ResourceAlreadyExistsException"
    status = 400


class LimitExceeded(ServiceError):
    """A quota of the account, region or dataset group is used up."""

    code = "LimitExceededException"
    status = 400


class InvalidNextToken(ServiceError):
    """The page token is not one that this list gave out."""

    code = "InvalidNextTokenException"
    status = 400


class TooManyTags(ServiceError):
    """More than 50 tags on one resource."""

    code = "TooManyTagsException"
    status = 400


class TooManyTagKeys(ServiceError):
    """More tag keys to remove than a resource can have."""

    code = "TooManyTagKeysException"
    status = 400


class NotBuilt(ServiceError):
    """Amazon Personalize can do this; this engine cannot yet."""

    code = "NotImplementedByEngine"
    status = 501


class UnknownOperation(ServiceError):
    """No such target or path in any of the three services."""

    code = "UnknownOperationException"
    status = 404


class MalformedBody(ServiceError):
    """The body is not a JSON object."""

    code = "SerializationException"
    status = 400


class MissingToken(ServiceError):
    """The request is not signed."""

    code = "MissingAuthenticationTokenException"
    status = 403


class AccessDenied(ServiceError):
    """No policy of the caller's role allows this; what is not REST says 400."""

    code = "AccessDeniedException"
    status = 403


class BodyTooLarge(ServiceError):
    """The body is over the limit of a request."""

    code = "RequestEntityTooLargeException"
    status = 413


class InternalFailure(ServiceError):
    """A bug of this engine; its log says more."""

    code = "InternalFailure"
    status = 500


class ImportRefused(Exception):
    """An import job ends in CREATE FAILED; the text is its failureReason."""


class TrainingRefused(Exception):
    """A solution version ends in CREATE FAILED; the text is its failureReason."""


class JobRefused(Exception):
    """An export, batch or deletion job fails; the text is its failureReason."""


class WorkerLost(Exception):
    """The worker process was killed at a job, and at its second try again; the text is the job's failureReason."""
