"""What a change did to a customer, field by field, as it is shown."""

from typing import Annotated

from pydantic import Field

from servers.customers.fields import PII
from shared.core.tool import Answer
from shared.steps.redaction import Sensitive, mask_all, mask_email, mask_phone


class TextChange(Answer):
    before: str | None
    after: str | None


class TagsChange(Answer):
    before: list[str]
    after: list[str]


class EmailChange(Answer):
    before: Annotated[str | None, Sensitive(PII, mask_email)]
    after: Annotated[str | None, Sensitive(PII, mask_email)]


class PhoneChange(Answer):
    before: Annotated[str | None, Sensitive(PII, mask_phone)]
    after: Annotated[str | None, Sensitive(PII, mask_phone)]


class AddressChange(Answer):
    before: Annotated[str | None, Sensitive(PII, mask_all)]
    after: Annotated[str | None, Sensitive(PII, mask_all)]


def _is_none(value: object) -> bool:
    return value is None


_Unchanged = Field(exclude_if=_is_none)


class CustomerDiff(Answer):
    """Only the fields that changed are there."""

    name: Annotated[TextChange | None, _Unchanged] = None
    company: Annotated[TextChange | None, _Unchanged] = None
    email: Annotated[EmailChange | None, _Unchanged] = None
    phone: Annotated[PhoneChange | None, _Unchanged] = None
    street: Annotated[AddressChange | None, _Unchanged] = None
    postal_code: Annotated[AddressChange | None, _Unchanged] = None
    city: Annotated[TextChange | None, _Unchanged] = None
    country: Annotated[TextChange | None, _Unchanged] = None
    locale: Annotated[TextChange | None, _Unchanged] = None
    status: Annotated[TextChange | None, _Unchanged] = None
    segment: Annotated[TextChange | None, _Unchanged] = None
    tags: Annotated[TagsChange | None, _Unchanged] = None
